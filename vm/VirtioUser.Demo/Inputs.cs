// The files that the demo sends, in a folder that the guest may see.
using VirtioUser.Vm;

namespace VirtioUser.Demo;

/// <summary>Copies of the input files: the guest sees these, and nothing else of the folders that they come from.</summary>
sealed class Inputs : IDisposable
{
    const string GuestFolder = "/mnt/input";

    readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("virtio-user-demo-");
    readonly List<string> names = [];

    Inputs()
    {
    }

    /// <summary>Files that every Debian has: a picture, of the package debconf, and a text, of base-files.</summary>
    public static IReadOnlyList<string> Defaults { get; } = ["/usr/share/pixmaps/debian-logo.png", "/usr/share/common-licenses/GPL-3"];

    /// <summary>The folder with all of them.</summary>
    public Share Folder => new(folder.FullName, GuestFolder);

    /// <summary>Their paths in the folder.</summary>
    public IReadOnlyList<string> Names => names;

    /// <summary>Copies files.</summary>
    /// <param name="files">Their paths.</param>
    /// <exception cref="SetupException">A file is not there or can not be read.</exception>
    public static Inputs Copy(IEnumerable<string> files)
    {
        Inputs inputs = new();
        try
        {
            foreach (string file in files)
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
        string number = names.Count.ToString(System.Globalization.CultureInfo.InvariantCulture);
        string name = Path.Combine(number, Path.GetFileName(file));
        try
        {
            folder.CreateSubdirectory(number);
            File.Copy(file, Path.Combine(folder.FullName, name));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SetupException($"{e.Message} Name files that can be read.", e);
        }

        names.Add(name);
    }

    public void Dispose() => folder.Delete(recursive: true);
}
