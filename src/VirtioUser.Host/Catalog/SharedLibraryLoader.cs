// Makes devices from shared libraries.
using VirtioUser.Host.Plugins;

namespace VirtioUser.Host.Catalog;

/// <summary>Loads the device of a shared library, as <c>virtio_user_plugin.h</c> describes it.</summary>
internal static class SharedLibraryLoader
{
    /// <summary>Whether a file is meant to be a shared library: by its first bytes, or by its name (<c>x.so</c>, <c>x.so.1</c>).</summary>
    public static bool IsMeant(string path)
    {
        var name = Path.GetFileName(path);
        return name.EndsWith(".so", StringComparison.Ordinal) || name.Contains(".so.", StringComparison.Ordinal) || ElfHeader.IsElf(path);
    }

    /// <summary>Loads the library for good, and asks it who its device is.</summary>
    /// <param name="path">The file's full path.</param>
    /// <param name="loader">What loads it.</param>
    /// <exception cref="DeviceLoadException">Not a library for this machine, not loadable, without a function that it needs, or it does not want to start.</exception>
    public static CatalogEntry Load(string path, IPluginLoader loader)
    {
        if (ElfHeader.Fault(path) is { } fault)
        {
            throw new DeviceLoadException($"{path} {fault}.");
        }

        try
        {
            return new CatalogEntry(new SharedLibraryDevice(loader.Load(path), path), path);
        }
        catch (DllNotFoundException e)
        {
            throw new DeviceLoadException($"{path} could not be loaded: {e.Message}", e);
        }
    }
}
