// What the program in the guest tells the host, a line for each turn.
using System.Text.Json;
using System.Text.Json.Serialization;

namespace VirtioUser.Benchmarks;

/// <summary>One turn of one contender.</summary>
/// <param name="Length">0 for round trips; otherwise how many bytes a message has.</param>
/// <param name="Contender">Who it was.</param>
/// <param name="WarmUp">Whether it does not count.</param>
/// <param name="Value">Nanoseconds of the median round trip, or bytes a second.</param>
/// <param name="Operations">How many round trips, or messages.</param>
/// <param name="P50">Nanoseconds; 0 for messages.</param>
/// <param name="P99">Nanoseconds; 0 for messages.</param>
/// <param name="P999">Nanoseconds; 0 for messages.</param>
internal sealed record GuestTurn(int Length, string Contender, bool WarmUp, double Value, long Operations, double P50 = 0, double P99 = 0, double P999 = 0)
{
    /// <summary>The names of the contenders.</summary>
    public const string Ours = "virtio-user", OursSleeping = "virtio-user, the host sleeping", OursCopied = "virtio-user, copied in", Vsock = "a vsock",
        Serial = "a virtio-serial port", Tcp = "TCP over virtio-net", Memcpy = "memcpy in the guest";

    /// <summary>As a line.</summary>
    public string ToLine() => JsonSerializer.Serialize(this, GuestTurnContext.Default.GuestTurn);

    /// <summary>Reads a line.</summary>
    /// <param name="line">What <see cref="ToLine"/> made.</param>
    /// <returns>Null if the line is one for people.</returns>
    public static GuestTurn? Parse(string line) => line.StartsWith('{') ? JsonSerializer.Deserialize(line, GuestTurnContext.Default.GuestTurn) : null;
}

/// <summary>Made at build time: reflection would take a second of the guest's start.</summary>
[JsonSerializable(typeof(GuestTurn))]
internal sealed partial class GuestTurnContext : JsonSerializerContext;
