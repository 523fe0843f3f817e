// What vu-play says at its end.
using System.Text.Json;

namespace VirtioUser.Vm;

/// <summary>The line that <c>vu-play --json</c> writes.</summary>
/// <param name="Frames">Pictures.</param>
/// <param name="Width">Columns of the first picture.</param>
/// <param name="Height">Rows of it.</param>
/// <param name="Seconds">From the first packet sent to the end of the stream.</param>
/// <param name="Pings">Pings sent.</param>
/// <param name="Events">Events received.</param>
public sealed record PlayerSummary(int Frames, int Width, int Height, double Seconds, long Pings, long Events)
{
    private static readonly JsonSerializerOptions Format = new(JsonSerializerDefaults.Web);

    /// <summary>How fast it was.</summary>
    public Decoding Decoding => new(Frames, Seconds);

    /// <summary>Reads a line of vu-play's output.</summary>
    /// <param name="line">The line.</param>
    /// <returns>Null if it is another line.</returns>
    public static PlayerSummary? Parse(string line) => line.StartsWith('{') ? JsonSerializer.Deserialize<PlayerSummary>(line, Format) : null;
}
