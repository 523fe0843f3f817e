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
    /// <exception cref="SetupException">A file is not there or can not be read.</exception>
    public static Inputs Copy(IEnumerable<string> files)
    {
        Inputs inputs = new();
        try
        {
            foreach (var file in files)
            {
                inputs.Add(file);
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
    /// <exception cref="SetupException">It is not there or can not be read.</exception>
    public void Add(string file)
    {
        if (!File.Exists(file))
        {
            throw new SetupException($"{file} is not a file. Name files that can be read.");
        }

        // Each in a folder of its own: two files may have the same name.
        var number = _names.Count.ToString(System.Globalization.CultureInfo.InvariantCulture);
        var name = Path.Combine(number, Path.GetFileName(file));
        try
        {
            _folder.CreateSubdirectory(number);
            File.Copy(file, Path.Combine(_folder.FullName, name));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SetupException($"{e.Message} Name files that can be read.", e);
        }

        _names.Add(name);
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
