// One step of the guest program, as it reports it.
using System.Text.Json;

namespace VirtioUser.Demo;

/// <summary>What the guest program did and what it took; sizes in bytes.</summary>
internal sealed record GuestStep(
    string Name, string? Detail, string? Device, string? WorkedOn, long SentBytes, long ResultBytes, long SharedMemoryBytes, long QueueBytes,
    int RoundTrips, double Milliseconds)
{
    private static readonly JsonSerializerOptions Format = new(JsonSerializerDefaults.Web);

    /// <summary>Reads a line of the guest program's output.</summary>
    /// <returns>Null if the line is one for people.</returns>
    public static GuestStep? Parse(string line) => line.StartsWith('{') ? JsonSerializer.Deserialize<GuestStep>(line, Format) : null;
}
