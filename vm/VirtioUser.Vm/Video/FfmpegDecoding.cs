// Decoding by the program ffmpeg, to measure it.
using System.Globalization;
using System.Text.RegularExpressions;

namespace VirtioUser.Vm;

/// <summary>A run of ffmpeg, on the host or in a guest, that decodes a clip and drops the pictures.</summary>
public sealed partial class FfmpegDecoding
{
    int? frames;
    double? seconds;

    /// <summary>Its arguments. Pictures of another size than the first are not scaled, as nobody else does that either.</summary>
    /// <param name="clip">The clip's path.</param>
    public static IReadOnlyList<string> Arguments(string clip) => ["-hide_banner", "-nostdin", "-nostats", "-benchmark", "-i", clip, "-autoscale", "0", "-f", "null", "-"];

    /// <summary>What came of it; null if it did not say so.</summary>
    public Decoding? Result => frames is { } count && seconds is > 0 and var time ? new Decoding(count, time) : null;

    /// <summary>Takes a line of its standard error.</summary>
    /// <param name="line">The line.</param>
    public void Hear(string line)
    {
        if (FrameCount().Match(line) is { Success: true } count)
        {
            frames = int.Parse(count.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
        }

        if (RealTime().Match(line) is { Success: true } time)
        {
            seconds = double.Parse(time.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
        }
    }

    [GeneratedRegex(@"^frame= *(\d+)")]
    private static partial Regex FrameCount();

    [GeneratedRegex(@"^bench: .*\brtime=([\d.]+)s")]
    private static partial Regex RealTime();
}
