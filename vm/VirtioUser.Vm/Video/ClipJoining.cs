// One clip behind the other.
namespace VirtioUser.Vm;

/// <summary>Puts compressed clips of one codec into one file, without compressing them again.</summary>
internal static class ClipJoining
{
    /// <summary>Joins clips.</summary>
    /// <param name="tree">The ffmpeg that does it where it takes more than one file behind the other.</param>
    /// <param name="parts">The clips' paths; one may come several times.</param>
    /// <param name="path">The file to write.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="SetupException">ffmpeg failed.</exception>
    public static async Task JoinAsync(MediaTree tree, IReadOnlyList<string> parts, string path, CancellationToken cancellationToken)
    {
        if (Path.GetExtension(path) == ".h264")
        {
            await using var whole = File.Create(path);
            foreach (var part in parts)
            {
                await using var source = File.OpenRead(part);
                await source.CopyToAsync(whole, cancellationToken).ConfigureAwait(false);
            }

            return;
        }

        // IVF has a header, and a timestamp for each packet. The cache may lie in a folder with a quote in its name.
        var list = path + ".parts";
        await File.WriteAllLinesAsync(
            list, parts.Select(part => $"file '{part.Replace("'", @"'\''", StringComparison.Ordinal)}'"), cancellationToken).ConfigureAwait(false);
        await Ffmpeg.RunAsync(tree, [.. Ffmpeg.Quietly, "-f", "concat", "-safe", "0", "-i", list, "-c", "copy", path], cancellationToken: cancellationToken).ConfigureAwait(false);
        File.Delete(list);
    }
}
