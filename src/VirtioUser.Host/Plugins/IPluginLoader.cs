// What loads shared libraries.
namespace VirtioUser.Host.Plugins;

/// <summary>Loads libraries. Any thread.</summary>
public interface IPluginLoader
{
    /// <summary>Loads a shared library for the life of the process, with all its symbols bound.</summary>
    /// <param name="path">The file.</param>
    /// <returns>A handle as <see cref="System.Runtime.InteropServices.NativeLibrary"/> takes it.</returns>
    /// <exception cref="DllNotFoundException">It can not be loaded; the message says why.</exception>
    nint Load(string path);
}
