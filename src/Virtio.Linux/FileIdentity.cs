// What makes two descriptors the same file.
namespace Virtio.Linux;

/// <summary>The identity of a file: the same for every descriptor of it, in every process.</summary>
/// <param name="Device">The device that holds it (<c>st_dev</c>).</param>
/// <param name="Inode">Its number there (<c>st_ino</c>).</param>
public readonly record struct FileIdentity(ulong Device, ulong Inode)
{
    /// <summary>Looks up a path, following symbolic links, without opening the file. From any thread.</summary>
    /// <param name="path">The path.</param>
    /// <param name="identity">Which file it is.</param>
    /// <param name="isRegular">Whether it is a regular file: no folder, pipe or device.</param>
    /// <returns>False if there is no such file, or it cannot be reached.</returns>
    public static unsafe bool TryGet(string path, out FileIdentity identity, out bool isRegular)
    {
        ArgumentNullException.ThrowIfNull(path);
        Native.StatX status;
        var found = Native.GetStatus(Native.AT_FDCWD, path, 0, Native.STATX_TYPE | Native.STATX_INODE, &status) == 0;
        isRegular = found && (status.Mode & Native.S_IFMT) == Native.S_IFREG;
        identity = found ? status.Identity : default;
        return found;
    }
}
