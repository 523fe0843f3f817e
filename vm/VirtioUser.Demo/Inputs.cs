// The files that the demo sends, in a folder that the guest may see.
using VirtioUser.Vm;

namespace VirtioUser.Demo;

/// <summary>Copies of the input files: the guest sees these, and nothing else of the folders that they come from.</summary>
internal sealed class Inputs : IDisposable
{
    private const string GuestFolder = "/mnt/input";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("virtio-user-demo-");
    private readonly List<string> _names = [];

    private Inputs()
    {
    }

    /// <summary>Files that every Debian has: a picture, of the package debconf, and a text, of base-files.</summary>
    public static IReadOnlyList<string> Defaults { get; } = ["/usr/share/pixmaps/debian-logo.png", "/usr/share/common-licenses/GPL-3"];

    /// <summary>The folder with all of them.</summary>
    public Share Folder => new(_folder.FullName, GuestFolder);

    /// <summary>Their paths in the folder.</summary>
    public IReadOnlyList<string> Names => _names;

    /// <summary>Copies files.</summary>
    /// <param name="files">Their paths.</param>
    /// <param name="cancellationToken">Ends it early; then nothing is left of it.</param>
    /// <exception cref="SetupException">A file is not there, is none of the regular kind or can not be read.</exception>
    public static async Task<Inputs> CopyAsync(IEnumerable<string> files, CancellationToken cancellationToken)
    {
        Inputs inputs = new();
        try
        {
            foreach (var file in files)
            {
                await inputs.AddAsync(file, cancellationToken);
            }

            return inputs;
        }
        catch
        {
            inputs.Dispose();
            throw;
        }
    }

    /// <summary>Copies one more.</summary>
    /// <param name="file">Its path.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    /// <exception cref="SetupException">It is not there, is none of the regular kind or can not be read.</exception>
    public async Task AddAsync(string file, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (!File.Exists(file))
        {
            throw new SetupException($"{file} is not a file. Name files that can be read.");
        }

        // Of a device there is no end, and a FIFO may wait for ever for somebody who writes.
        if (!FileKind.IsRegular(file))
        {
            throw new SetupException($"{file} is not a regular file. Name files that can be read.");
        }

        // Each in a folder of its own: two files may have the same name.
        var number = _names.Count.ToString(System.Globalization.CultureInfo.InvariantCulture);
        var name = Path.Combine(number, Path.GetFileName(file));
        try
        {
            _folder.CreateSubdirectory(number);
            var target = Path.Combine(_folder.FullName, name);

            // Some files of /proc keep their reader waiting.
            await Task.Run(() => CopyAsync(file, target, cancellationToken), cancellationToken).WaitAsync(cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SetupException($"{e.Message} Name files that can be read.", e);
        }

        _names.Add(name);
    }

    public void Dispose()
    {
        try
        {
            _folder.Delete(recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // Somebody else has removed it.
        }
    }

    private static async Task CopyAsync(string file, string target, CancellationToken cancellationToken)
    {
        await using var source = File.OpenRead(file);
        await using var copy = new FileStream(target, FileMode.CreateNew, FileAccess.Write);
        await source.CopyToAsync(copy, cancellationToken);
    }
}
