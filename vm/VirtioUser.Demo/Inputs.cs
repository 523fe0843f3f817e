// The files that the demo sends, in a folder that the guest may see.
using VirtioUser.Vm;

namespace VirtioUser.Demo;

/// <summary>Copies of the input files: the guest sees these, and nothing else of the folders that they come from.</summary>
sealed class Inputs : IDisposable
{
    const string GuestFolder = "/mnt/input";

    // The package debconf has the picture, base-files the text: both are on every Debian.
    static readonly string[] Defaults = ["/usr/share/pixmaps/debian-logo.png", "/usr/share/common-licenses/GPL-3"];

    readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("virtio-user-demo-");
    readonly List<string> names = [];

    Inputs()
    {
    }

    /// <summary>The folder with all of them.</summary>
    public Share Folder => new(folder.FullName, GuestFolder);

    /// <summary>Their paths in the folder.</summary>
    public IReadOnlyList<string> Names => names;

    /// <summary>Copies the files.</summary>
    /// <param name="files">Their paths; empty for the ones that every Debian has.</param>
    /// <exception cref="SetupException">A file is not there or can not be read.</exception>
    public static Inputs Copy(IReadOnlyCollection<string> files)
    {
        Inputs inputs = new();
        try
        {
            foreach (string file in files.Count > 0 ? files : Defaults)
            {
                inputs.Add(file);
            }

            return inputs;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            inputs.Dispose();
            throw new SetupException($"{e.Message} Name files that can be read.", e);
        }
    }

    public void Dispose() => folder.Delete(recursive: true);

    void Add(string file)
    {
        if (!File.Exists(file))
        {
            throw new FileNotFoundException($"{file} is not a file.");
        }

        // Each in a folder of its own: two files may have the same name.
        string number = names.Count.ToString(System.Globalization.CultureInfo.InvariantCulture);
        string name = Path.Combine(number, Path.GetFileName(file));
        folder.CreateSubdirectory(number);
        File.Copy(file, Path.Combine(folder.FullName, name));
        names.Add(name);
    }
}
