// Where the corpus is made.
using System.Security.Cryptography;
using System.Text;
using VirtioUser.Codec.Tests.Support;
using VirtioUser.Vm;

namespace VirtioUser.Codec.Tests.Corpus;

/// <summary>Makes files with ffmpeg and asks it what is in them. Both are kept in the cache, by a hash of what they are made of.</summary>
internal sealed class Workshop
{
    private static readonly Lazy<Task<Workshop>> Shared = new(async () => new(await Sample.TreeAsync()));

    private readonly MediaTree _tree;
    private readonly string _cache = Directory.CreateDirectory(Path.Combine(ProjectFolders.Cache, "corpus")).FullName;

    private Workshop(MediaTree tree) => _tree = tree;

    public static Task<Workshop> GetAsync() => Shared.Value;

    /// <summary>Where the cases' files are put, under their names, for a look by hand.</summary>
    public static string Files { get; } = Directory.CreateDirectory(Path.Combine(ProjectFolders.Root, "artifacts", "corpus")).FullName;

    /// <summary>What ffmpeg writes with these arguments.</summary>
    /// <param name="extension">The kind of file, with its dot.</param>
    /// <param name="arguments">All but the file to write.</param>
    public async Task<byte[]> EncodeAsync(string extension, IReadOnlyList<string> arguments)
    {
        var path = PathOf(arguments, extension);
        if (!File.Exists(path))
        {
            var partial = Partial(path);
            await Ffmpeg.RunAsync(_tree, [.. Ffmpeg.Quietly, .. arguments, "-y", partial], cancellationToken: TestContext.Current.CancellationToken);
            File.Move(partial, path, overwrite: true);
        }

        return await File.ReadAllBytesAsync(path, TestContext.Current.CancellationToken);
    }

    /// <summary>
    /// What ffmpeg lists, but for the line about itself; empty if it cannot read the file. Where it does not find out that a
    /// byte stream is H.264, as with many units of unknown types, it is told so.
    /// </summary>
    /// <param name="file">The file's path.</param>
    /// <param name="threads">The decoder's threads; null leaves it to ffmpeg.</param>
    /// <param name="again">Ask it even if it was asked before.</param>
    public async Task<IReadOnlyList<string>> ListAsync(string file, int? threads, bool again = false)
    {
        string[] before = threads is { } number ? ["-threads", $"{number}"] : [];
        var hash = Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken)));
        var path = PathOf([.. before, hash], ".framemd5");
        if (again || !File.Exists(path))
        {
            var lines = await AskAsync([.. before, "-i", file]);
            if (lines.Count == 0 && Path.GetExtension(file) == ".h264")
            {
                lines = await AskAsync([.. before, "-f", "h264", "-i", file]);
            }

            var partial = Partial(path);
            await File.WriteAllLinesAsync(partial, lines, TestContext.Current.CancellationToken);
            File.Move(partial, path, overwrite: true);
        }

        return await File.ReadAllLinesAsync(path, TestContext.Current.CancellationToken);
    }

    /// <summary>A listing without the line about the program that wrote it.</summary>
    public static IReadOnlyList<string> Relevant(IEnumerable<string> lines) =>
        [.. lines.Where(line => line.Length > 0 && !line.StartsWith("#software", StringComparison.Ordinal))];

    private async Task<IReadOnlyList<string>> AskAsync(IReadOnlyList<string> input)
    {
        List<string> lines = [];
        var command = MediaTree.FfmpegIn(_tree.Folder);
        var code = await ChildProcess.RunAsync(
            command[0], [.. command.Skip(1), .. Ffmpeg.Quietly, .. input, "-autoscale", "0", "-f", "framemd5", "-"], new() { Output = lines.Add }, TestContext.Current.CancellationToken);

        // That it cannot read the file is an answer; that it could not be run, or crashed, is none.
        const int CouldNotRun = 126;
        Assert.False(code is CouldNotRun or CouldNotRun + 1 or (> 128 and < 160), $"ffmpeg ended with {code}.");
        return Relevant(lines);
    }

    private static string Partial(string path) => Path.ChangeExtension(path, $"{Guid.NewGuid():n}{Path.GetExtension(path)}");

    // By the tree too: another ffmpeg makes other files.
    private string PathOf(IReadOnlyList<string> definition, string extension)
    {
        const int Length = 24; // characters
        var text = string.Join('\n', definition.Prepend(Path.GetFileName(_tree.Folder)));
        return Path.Combine(_cache, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..Length] + extension);
    }
}
