// A range of address space into which files are mapped and unmapped by offset.
namespace Virtio.Linux;

/// <summary>
/// Reserves address space and maps parts of files into it, as a virtual machine monitor does for a shared memory
/// region: a part shows what was mapped there last. Calls may come from any thread, but not two for overlapping parts
/// at once.
/// </summary>
public sealed unsafe class AddressWindow : IDisposable
{
    private readonly MappingHandle _handle;

    private AddressWindow(MappingHandle handle, ulong length)
    {
        _handle = handle;
        Length = length;
    }

    /// <summary>The length in bytes.</summary>
    public ulong Length { get; }

    /// <summary>Reserves address space. No memory is used until something is mapped and touched.</summary>
    /// <param name="length">Length in bytes, a multiple of the page size, not 0.</param>
    /// <exception cref="LinuxException">There is not so much address space.</exception>
    public static AddressWindow Reserve(ulong length)
    {
        CheckAligned(length, nameof(length));
        ArgumentOutOfRangeException.ThrowIfZero(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, (ulong)long.MaxValue);
        return new AddressWindow(MappingHandle.Reserve((nuint)length), length);
    }

    /// <summary>Maps a range of a file into the window, in the place of whatever was there.</summary>
    /// <param name="offset">Where in the window, a multiple of the page size.</param>
    /// <param name="descriptor">The file; may be closed afterwards.</param>
    /// <param name="fileOffset">First byte in the file, a multiple of the page size.</param>
    /// <param name="length">Length in bytes, a multiple of the page size, not 0.</param>
    /// <param name="access">What may be done with the bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The range is not aligned or not inside the window.</exception>
    /// <exception cref="LinuxException">The file cannot be mapped so.</exception>
    public void Map(ulong offset, FileDescriptor descriptor, ulong fileOffset, ulong length, MapAccess access)
    {
        ArgumentNullException.ThrowIfNull(descriptor);
        CheckPart(offset, length);
        CheckAligned(fileOffset, nameof(fileOffset));
        if (!Bounds.Contains(Mapping.MaximumEnd, fileOffset, length))
        {
            throw new ArgumentOutOfRangeException(nameof(fileOffset), $"{length} bytes at {fileOffset} do not lie inside any file.");
        }

        using var use = new DescriptorUse(descriptor);
        Replace(offset, length, MappingHandle.Protection(access), Native.MAP_SHARED, use.Number, (long)fileOffset);
    }

    /// <summary>Takes away whatever is mapped in a part of the window. Touching it afterwards ends the process.</summary>
    /// <param name="offset">Where in the window, a multiple of the page size.</param>
    /// <param name="length">Length in bytes, a multiple of the page size, not 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">The range is not aligned or not inside the window.</exception>
    public void Unmap(ulong offset, ulong length)
    {
        CheckPart(offset, length);
        // The address space stays ours: another mapping of the process must not slip into the gap.
        Replace(offset, length, Native.PROT_NONE, Native.MAP_PRIVATE | Native.MAP_ANONYMOUS | Native.MAP_NORESERVE, -1, 0);
    }

    /// <summary>A part of the window as a span; the caller knows that something is mapped there.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The part is not inside the window.</exception>
    /// <exception cref="ObjectDisposedException">The window is gone.</exception>
    public Span<byte> GetSpan(ulong offset, int length)
    {
        ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
        if (length < 0 || !Bounds.Contains(Length, offset, (uint)length))
        {
            throw new ArgumentOutOfRangeException(nameof(offset), $"{length} bytes at {offset} do not lie inside a window of {Length} bytes.");
        }

        return new Span<byte>((byte*)_handle.Address + offset, length);
    }

    /// <summary>Gives the address space back, with everything that is mapped in it.</summary>
    public void Dispose() => _handle.Dispose();

    private void Replace(ulong offset, ulong length, int protection, int flags, int descriptor, long fileOffset)
    {
        var added = false;
        _handle.DangerousAddRef(ref added);
        try
        {
            if (Native.MMap(_handle.Address + (nint)offset, (nuint)length, protection, flags | Native.MAP_FIXED, descriptor, fileOffset) == -1)
            {
                LinuxException.ThrowLast($"mmap of {length} bytes into a window");
            }
        }
        finally
        {
            _handle.DangerousRelease();
        }
    }

    private void CheckPart(ulong offset, ulong length)
    {
        CheckAligned(offset, nameof(offset));
        CheckAligned(length, nameof(length));
        if (length == 0 || !Bounds.Contains(Length, offset, length))
        {
            throw new ArgumentOutOfRangeException(nameof(offset), $"{length} bytes at {offset} do not lie inside a window of {Length} bytes.");
        }
    }

    private static void CheckAligned(ulong value, string name)
    {
        if (value % (ulong)Environment.SystemPageSize != 0)
        {
            throw new ArgumentOutOfRangeException(name, $"{value} is not a multiple of the page size.");
        }
    }
}
