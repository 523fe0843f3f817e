// An open file, as a handle that closes itself.
using System.Runtime.InteropServices;

namespace Virtio.Linux;

/// <summary>
/// Owns one file descriptor; <see cref="SafeHandle.Dispose()"/> closes it, once no call uses it any more. All calls may
/// come from any thread. Descriptors made here have close-on-exec set.
/// </summary>
public sealed class FileDescriptor : SafeHandle
{
    /// <summary>Takes ownership of an open descriptor, for example one that was inherited.</summary>
    /// <param name="descriptor">The number of the descriptor.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative.</exception>
    public FileDescriptor(int descriptor) : base(-1, ownsHandle: true)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(descriptor);
        SetHandle(descriptor);
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle < 0;

    /// <summary>
    /// Which file this is, whatever number it has in which process: two descriptors of the same memfd have the same
    /// identity, as long as one of them is open.
    /// </summary>
    /// <exception cref="LinuxException">The descriptor cannot be examined.</exception>
    public FileIdentity Identity
    {
        get => GetStatus().Identity;
    }

    /// <summary>The size of the file in bytes.</summary>
    /// <exception cref="LinuxException">The descriptor cannot be examined.</exception>
    public ulong Size => GetStatus().Size;

    /// <summary>The kind of file system that the file is in.</summary>
    /// <exception cref="LinuxException">The descriptor cannot be examined.</exception>
    public FileSystemKind FileSystem => (FileSystemKind)GetFileSystem().Type;

    /// <summary>The unit in which the file can be mapped, in bytes: the huge page size for a hugetlbfs file.</summary>
    internal ulong MappingUnit
    {
        get
        {
            var page = (ulong)Environment.SystemPageSize;
            var fileSystem = GetFileSystem();
            return (FileSystemKind)fileSystem.Type == FileSystemKind.HugeTlbFs ? Math.Max(page, (ulong)fileSystem.BlockSize) : page;
        }
    }

    /// <summary>Makes a second descriptor of the same open file. The caller owns it.</summary>
    /// <exception cref="LinuxException">No descriptor is left (<see cref="Errno.EMFILE"/>).</exception>
    public FileDescriptor Duplicate()
    {
        var copy = Native.FCntl(this, Native.F_DUPFD_CLOEXEC, 0);
        if (copy < 0)
        {
            LinuxException.ThrowLast("fcntl F_DUPFD_CLOEXEC");
        }

        return new FileDescriptor(copy);
    }

    /// <summary>Sets or clears <c>O_NONBLOCK</c>. This is a property of the open file, shared with every duplicate.</summary>
    /// <exception cref="LinuxException">The flags cannot be changed.</exception>
    public void SetNonBlocking(bool nonBlocking)
    {
        var flags = Native.FCntl(this, Native.F_GETFL, 0);
        if (flags < 0)
        {
            LinuxException.ThrowLast("fcntl F_GETFL");
        }

        var wanted = nonBlocking ? flags | Native.O_NONBLOCK : flags & ~Native.O_NONBLOCK;
        if (wanted != flags && Native.FCntl(this, Native.F_SETFL, wanted) < 0)
        {
            LinuxException.ThrowLast("fcntl F_SETFL");
        }
    }

    /// <summary>Keeps programs that this process starts from having the descriptor too. For inherited ones: those made here have it.</summary>
    /// <exception cref="LinuxException">The flags cannot be changed.</exception>
    public void SetCloseOnExec()
    {
        var flags = Native.FCntl(this, Native.F_GETFD, 0);
        if (flags < 0 || Native.FCntl(this, Native.F_SETFD, flags | Native.FD_CLOEXEC) < 0)
        {
            LinuxException.ThrowLast("fcntl F_SETFD");
        }
    }

    /// <inheritdoc/>
    // The descriptor is gone even if close reports an error; trying again could close someone else's.
    protected override bool ReleaseHandle() => Native.Close((int)handle) == 0;

    private unsafe Native.StatFs GetFileSystem()
    {
        Native.StatFs fileSystem;
        if (Native.GetFileSystem(this, &fileSystem) < 0)
        {
            LinuxException.ThrowLast("fstatfs");
        }

        return fileSystem;
    }

    private unsafe Native.StatX GetStatus()
    {
        Native.StatX status;
        if (Native.GetStatus(this, "", Native.AT_EMPTY_PATH, Native.STATX_SIZE | Native.STATX_INODE, &status) < 0)
        {
            LinuxException.ThrowLast("statx");
        }

        return status;
    }
}
