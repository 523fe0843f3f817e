// Running ffmpeg on the host.
using System.Globalization;

namespace VirtioUser.Vm;

/// <summary>Runs ffmpeg of the media tree on the host.</summary>
public static class Ffmpeg
{
    /// <summary>What must come before everything else: say errors only, and read nothing from a terminal.</summary>
    public static IReadOnlyList<string> Quietly { get; } = ["-hide_banner", "-nostdin", "-loglevel", "error"];

    /// <summary>Runs it to its end.</summary>
    /// <param name="tree">The tree.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="output">Called for each line of its standard output.</param>
    /// <param name="error">Called for each line of its standard error, where it also writes what it measures.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="SetupException">It failed; the message holds what it said last.</exception>
    public static async Task RunAsync(
        MediaTree tree, IEnumerable<string> arguments, Action<string>? output = null, Action<string>? error = null, CancellationToken cancellationToken = default)
    {
        Tail said = new(8);
        var command = MediaTree.FfmpegIn(tree.Folder);
        var code = await ChildProcess.RunAsync(
            command[0], [.. command.Skip(1), .. arguments],
            new ChildProcess.Options
            {
                Output = output,
                Error = line =>
                {
                    said.Add(line);
                    error?.Invoke(line);
                },
            },
            cancellationToken).ConfigureAwait(false);
        if (code != 0)
        {
            throw new SetupException(string.Create(CultureInfo.InvariantCulture, $"ffmpeg ended with {code}: {said}"));
        }
    }

    /// <summary>Decodes a clip and returns the listing of its pictures' MD5 sums, version 2 of FFmpeg's format framemd5, line by line.</summary>
    /// <param name="tree">The tree.</param>
    /// <param name="clip">The clip's path.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>The lines, comments (#) too.</returns>
    /// <exception cref="SetupException">The clip can not be read.</exception>
    public static async Task<IReadOnlyList<string>> FrameMd5Async(MediaTree tree, string clip, CancellationToken cancellationToken = default)
    {
        List<string> lines = [];
        await RunAsync(tree, [.. Quietly, "-i", clip, "-autoscale", "0", "-f", "framemd5", "-"], lines.Add, cancellationToken: cancellationToken).ConfigureAwait(false);
        return lines;
    }

    /// <summary>Decodes a clip, drops the pictures, and measures that.</summary>
    /// <param name="tree">The tree.</param>
    /// <param name="clip">The clip's path.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="SetupException">The clip can not be read.</exception>
    public static async Task<Decoding> MeasureAsync(MediaTree tree, string clip, CancellationToken cancellationToken = default)
    {
        FfmpegDecoding decoding = new();
        await RunAsync(tree, FfmpegDecoding.Arguments(clip), error: decoding.Hear, cancellationToken: cancellationToken).ConfigureAwait(false);
        return decoding.Result ?? throw new SetupException($"ffmpeg did not say how long {clip} took.");
    }
}
