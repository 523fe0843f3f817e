// Loading a shared library so that what is missing shows at once.
using System.Runtime.InteropServices;

namespace Virtio.Linux;

/// <summary>Shared libraries that stay for the life of the process.</summary>
public static class SharedLibrary
{
    /// <summary>
    /// Loads a library and the ones that it needs, runs their constructors, and binds all symbols: one that is missing
    /// fails here, and not in the middle of a call much later.
    /// </summary>
    /// <param name="path">The file. Without a slash the system's folders are searched.</param>
    /// <returns>A handle as <see cref="NativeLibrary"/> takes it.</returns>
    /// <exception cref="DllNotFoundException">It can not be loaded; the message is the dynamic linker's.</exception>
    public static nint Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        _ = Native.DlError(); // the first call looks the function up, which would clear the message
        var handle = Native.DlOpen(path, Native.RTLD_NOW);
        return handle != 0 ? handle : throw new DllNotFoundException(Marshal.PtrToStringUTF8(Native.DlError()) ?? path);
    }
}
