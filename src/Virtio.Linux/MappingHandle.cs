// Owns a range of the process's address space.
using System.Runtime.InteropServices;

namespace Virtio.Linux;

/// <summary>A range that <c>mmap</c> returned; released with <c>munmap</c>.</summary>
internal sealed class MappingHandle : SafeHandle
{
    private readonly nuint _length;

    private MappingHandle(nint address, nuint length) : base(-1, ownsHandle: true)
    {
        _length = length;
        SetHandle(address);
    }

    public override bool IsInvalid => handle == -1;

    internal nint Address => handle;

    /// <summary>
    /// Maps a range of a file, shared. Not with <c>MAP_NORESERVE</c>: for ordinary memory that makes no difference, since
    /// the file accounts for its pages, but huge pages that are not there would be noticed only when they are touched.
    /// </summary>
    internal static MappingHandle MapShared(FileDescriptor descriptor, ulong offset, nuint length, MapAccess access)
    {
        using var use = new DescriptorUse(descriptor);
        var address = Native.MMap(0, length, Protection(access), Native.MAP_SHARED, use.Number, (long)offset);
        if (address == -1)
        {
            LinuxException.ThrowLast($"mmap of {length} bytes at offset {offset}");
        }

        return new MappingHandle(address, length);
    }

    /// <summary>Takes address space that nobody may touch until something is mapped into it.</summary>
    internal static MappingHandle Reserve(nuint length)
    {
        var address = Native.MMap(0, length, Native.PROT_NONE, Native.MAP_PRIVATE | Native.MAP_ANONYMOUS | Native.MAP_NORESERVE, -1, 0);
        if (address == -1)
        {
            LinuxException.ThrowLast($"mmap of {length} bytes of address space");
        }

        return new MappingHandle(address, length);
    }

    internal static int Protection(MapAccess access) =>
        access == MapAccess.ReadWrite ? Native.PROT_READ | Native.PROT_WRITE : Native.PROT_READ;

    protected override bool ReleaseHandle() => Native.MUnmap(handle, _length) == 0;
}
