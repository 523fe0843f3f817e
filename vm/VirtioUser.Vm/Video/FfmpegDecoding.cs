// Decoding by the program ffmpeg, to measure it.
using System.Globalization;
using System.Text.RegularExpressions;

namespace VirtioUser.Vm;

/// <summary>A run of ffmpeg, on the host or in a guest, that decodes a clip and drops the pictures.</summary>
public sealed partial class FfmpegDecoding
{
    // How long a guest tries, in seconds, the program's start included; its processor is emulated where there is no KVM. On a busy
    // machine the start alone can take longer, then it gets twice the time.
    private const int GuestSeconds = 8, MostGuestSeconds = 64;

    private int? _frames;
    private double? _seconds;

    /// <summary>Its arguments. Pictures of another size than the first are not scaled, as nobody else does that either.</summary>
    /// <param name="clip">The clip's path.</param>
    public static IReadOnlyList<string> Arguments(string clip) => ["-hide_banner", "-nostdin", "-nostats", "-benchmark", "-i", clip, "-autoscale", "0", "-f", "null", "-"];

    /// <summary>What came of it; null if it did not say so.</summary>
    public Decoding? Result => _frames is { } count && _seconds is > 0 and var time ? new Decoding(count, time) : null;

    /// <summary>Measures ffmpeg in a guest, for as many pictures as there is time for: eight seconds, or a minute if need be.</summary>
    /// <param name="tree">The media tree, as the guest sees it.</param>
    /// <param name="clip">The clip's path in the guest.</param>
    /// <param name="run">Runs a command in the guest, and calls back for each line of its standard error, not at the same time.</param>
    /// <exception cref="VirtualMachineException">No picture was decoded.</exception>
    public static async Task<Decoding> MeasureInGuestAsync(string tree, string clip, Func<IReadOnlyList<string>, Action<string>, Task> run)
    {
        ArgumentNullException.ThrowIfNull(run);
        Tail said = new(5);
        for (var patience = GuestSeconds; patience <= MostGuestSeconds; patience *= 2)
        {
            FfmpegDecoding decoding = new();

            // ffmpeg ends in good order when it is asked to, and says what it did.
            await run(
                ["timeout", patience.ToString(CultureInfo.InvariantCulture), .. MediaTree.FfmpegIn(tree), .. Arguments(clip)],
                line =>
                {
                    said.Add(line);
                    decoding.Hear(line);
                }).ConfigureAwait(false);
            if (decoding.Result is { Frames: > 0 } result)
            {
                return result;
            }
        }

        throw new VirtualMachineException(string.Create(CultureInfo.InvariantCulture, $"ffmpeg in the guest decoded nothing of {clip} in {MostGuestSeconds} s: {said}"));
    }

    /// <summary>Takes a line of its standard error.</summary>
    /// <param name="line">The line.</param>
    public void Hear(string line)
    {
        if (FrameCount().Match(line) is { Success: true } count)
        {
            _frames = int.Parse(count.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
        }

        if (RealTime().Match(line) is { Success: true } time)
        {
            _seconds = double.Parse(time.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
        }
    }

    [GeneratedRegex(@"^frame= *(\d+)")]
    private static partial Regex FrameCount();

    [GeneratedRegex(@"^bench: .*\brtime=([\d.]+)s")]
    private static partial Regex RealTime();
}
