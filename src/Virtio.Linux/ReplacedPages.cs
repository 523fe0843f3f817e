// Memory of this process whose pages were replaced, where they lie, by those of a file.
namespace Virtio.Linux;

/// <summary>
/// A range of the process's address space that somebody else made (with <c>malloc</c>, with <c>mmap</c>) and that shows
/// a range of a file for a while: the address stays, the content goes along.
/// </summary>
/// <remarks>
/// <para>Private memory can be replaced, whether anonymous or of a file, and so can shared memory that no file name leads
/// to: memfds, shared anonymous memory. Not so: files that are mapped shared, since others who use the file would no
/// longer see what is written; memory of devices; code; the stack of the calling thread and what the kernel has put
/// there; ranges that consist of mappings of different kinds.</para>
/// <para>Both directions copy the content and then swap the pages at once: a thread never finds the range without
/// memory, but what it writes during the call can be lost. Members may be called from any thread, not two for
/// overlapping ranges at once; whoever owns the range keeps it mapped during the calls.</para>
/// </remarks>
public sealed unsafe class ReplacedPages
{
    private readonly FileDescriptor _file;
    private readonly ulong _offset;
    private readonly nint _address;
    private readonly nuint _length;
    private readonly int _protection;
    private readonly FileIdentity _identity;
    // A second mapping of shared memory, so that it can come back; 0 for private memory.
    private readonly nint _original;
    // How many bytes from the first on are restored, or were left alone; behind them all is as it was.
    private ulong _done;
    private bool _leftAlone;

    private ReplacedPages(FileDescriptor file, FileIdentity identity, ulong offset, nint address, nuint length, int protection, nint original)
    {
        (_file, _identity, _offset, _address, _length) = (file, identity, offset, address, length);
        (_protection, _original) = (protection, original);
    }

    /// <summary>Copies the content of a range of memory into a file and puts the file's pages in the place of the memory's.</summary>
    /// <param name="address">The first byte, on a page boundary. It need not be mapped: then the call fails.</param>
    /// <param name="length">Length in bytes, a multiple of the page size, not 0.</param>
    /// <param name="file">
    /// The file, a memfd, or one of a file system whose files all have its device number; it must stay open until <see cref="Restore"/>.
    /// </param>
    /// <param name="offset">Where the content goes in the file, on a page boundary. The file must be as long.</param>
    /// <exception cref="ArgumentOutOfRangeException">The range is empty, not aligned, or beyond the address space.</exception>
    /// <exception cref="NotSupportedException">This memory can not be replaced; the message says why. Nothing has changed.</exception>
    /// <exception cref="LinuxException">The system refused. The memory is as it was; the file may hold a part of its content.</exception>
    public static ReplacedPages Replace(nint address, ulong length, FileDescriptor file, ulong offset)
    {
        ArgumentNullException.ThrowIfNull(file);
        CheckAligned((ulong)address, nameof(address));
        CheckAligned(length, nameof(length));
        CheckAligned(offset, nameof(offset));
        ArgumentOutOfRangeException.ThrowIfZero(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, (ulong)nint.MaxValue);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((ulong)address, ulong.MaxValue - length);
        var identity = file.Identity;
        var kind = CheckKind((ulong)address, (ulong)address + length, identity);
        var protection = kind.Access[1] == 'w' ? Native.PROT_READ | Native.PROT_WRITE : Native.PROT_READ;
        var original = kind.IsShared ? MapAgain(address, (nuint)length) : 0;
        try
        {
            // Made before: nothing may fail once the pages are replaced.
            ReplacedPages replaced = new(file, identity, offset, address, (nuint)length, protection, original);
            // By a system call: if the memory can not be read (a file that ended), that is an error and no signal.
            Write(file, address, length, offset);
            using DescriptorUse use = new(file);
            if (Native.MMap(address, (nuint)length, protection, Native.MAP_SHARED | Native.MAP_FIXED | Native.MAP_NORESERVE, use.Number, (long)offset) == -1)
            {
                LinuxException.ThrowLast($"mmap of {length} bytes in the place of others");
            }

            return replaced;
        }
        catch
        {
            Forget(original, (nuint)length);
            throw;
        }
    }

    /// <summary>
    /// Takes the file's pages away again. Memory that was private is private then, anonymous, with the present content of the
    /// range; memory that was shared is what it was, and gets the present content. The file keeps its bytes.
    /// To be called once. Parts of the range in which the file's pages are no longer mapped are left alone.
    /// </summary>
    /// <returns>False if a part was left alone.</returns>
    /// <exception cref="LinuxException">The system refused: the range, or what is left of it, still shows the file. May be called again.</exception>
    public bool Restore()
    {
        foreach ((var start, var end) in Shown())
        {
            LeaveAlone(start);
            PutBack(start, end - start);
            _done = end;
        }
        LeaveAlone(_length);
        return !_leftAlone;
    }

    /// <summary>
    /// Whether bytes of the file's range are mapped in this process by anything but mappings of the whole file, which are those of the
    /// file's owner. For a range of which <see cref="Restore"/> left a part alone: whoever changed it may have moved it.
    /// </summary>
    /// <param name="fileLength">The length of the file in bytes. If the range is the whole file, the owner's mappings count too.</param>
    /// <exception cref="IOException">The kernel does not tell.</exception>
    public bool IsShownInPart(ulong fileLength) =>
        ProcessMapping.Within(0, ulong.MaxValue).Exists(mapping =>
            mapping.File == _identity && mapping.Offset < _offset + _length && _offset < mapping.Offset + (mapping.End - mapping.Start)
            && (mapping.End - mapping.Start < fileLength || _length >= fileLength));

    private static ProcessMapping CheckKind(ulong start, ulong end, FileIdentity file)
    {
        var mappings = ProcessMapping.Within(start, end);
        var covered = start;
        foreach (var mapping in mappings)
        {
            if (mapping.Start > covered)
            {
                break;
            }

            covered = mapping.End;
        }
        if (covered < end)
        {
            throw new NotSupportedException($"nothing is mapped at {covered:x}");
        }

        var first = mappings[0];
        byte onThisStack = 0;
        var here = (ulong)&onThisStack;
        foreach (var mapping in mappings)
        {
            if (Fault(mapping, file, here) is { } fault)
            {
                throw new NotSupportedException($"{mapping.Start:x}-{mapping.End:x} {mapping.Access} {mapping.Name}".TrimEnd() + $" {fault}");
            }
        }
        if (mappings.Exists(mapping => mapping.Access != first.Access) || (first.IsShared && mappings.Count > 1))
        {
            throw new NotSupportedException($"{start:x}-{end:x} consists of mappings of different kinds");
        }

        return first;
    }

    private static string? Fault(ProcessMapping mapping, FileIdentity file, ulong here) => mapping switch
    {
        { File: var mapped } when mapped == file => "shows the shared memory already",
        { Name: "[stack]" } => "is a stack",
        { Start: var start, End: var end } when here >= start && here < end => "is a stack",
        { Name: ['[', ..] name } when name != "[heap]" && !name.StartsWith("[anon:", StringComparison.Ordinal) => "belongs to the kernel",
        { Access: [_, _, 'x', _] } => "is code",
        { Access: ['-', ..] } => "can not be read",
        { Name: "/dev/zero" or "/dev/zero (deleted)", Access: [_, 'w', ..] } => null, // anonymous
        { Name: var name } when (name.StartsWith("/dev/", StringComparison.Ordinal) && !IsFileInMemory(name)) || name.StartsWith("anon_inode:", StringComparison.Ordinal)
            || name.StartsWith("/sys/", StringComparison.Ordinal) || name.StartsWith("/dmabuf:", StringComparison.Ordinal) => "is memory of a device, or of a driver",
        { IsShared: false } => null,
        { Name: var name } when !name.StartsWith("/memfd:", StringComparison.Ordinal) => "is a file that is mapped shared: others would no longer see what is written",
        { Access: [_, '-', ..] } => "is shared and can not be written",
        _ => null,
    };

    /// <summary>Files that stand among the devices and are none.</summary>
    private static bool IsFileInMemory(string name) =>
        name.StartsWith("/dev/shm/", StringComparison.Ordinal) || name.StartsWith("/dev/hugepages/", StringComparison.Ordinal);

    /// <summary>A second mapping of the same shared pages; mremap of no bytes makes one.</summary>
    private static nint MapAgain(nint address, nuint length)
    {
        var again = Native.MRemap(address, 0, length, Native.MREMAP_MAYMOVE, 0);
        if (again == -1)
        {
            LinuxException.ThrowLast("mremap of shared memory");
        }

        return again;
    }

    /// <summary>The parts of the range, counted from its first byte, that still show what was put there.</summary>
    private List<(ulong Start, ulong End)> Shown()
    {
        List<(ulong Start, ulong End)> shown = [];
        var first = (ulong)_address;
        foreach (var mapping in ProcessMapping.Within(first + _done, first + _length))
        {
            var start = Math.Max(mapping.Start, first + _done) - first;
            var end = Math.Min(mapping.End, first + _length) - first;
            if (mapping.File == _identity && mapping.Offset + (first + start - mapping.Start) == _offset + start)
            {
                shown.Add((start, end));
            }
        }
        return shown;
    }

    private void PutBack(ulong start, ulong size)
    {
        var length = (nuint)size;
        var pages = _original != 0 ? _original + (nint)start : MapPrivate(length);
        try
        {
            Read(_file, pages, size, _offset + start);
            if (_original == 0 && _protection == Native.PROT_READ && Native.MProtect(pages, length, Native.PROT_READ) < 0)
            {
                LinuxException.ThrowLast("mprotect");
            }

            if (Native.MRemap(pages, length, length, Native.MREMAP_MAYMOVE | Native.MREMAP_FIXED, _address + (nint)start) == -1)
            {
                LinuxException.ThrowLast($"mremap of {length} bytes");
            }
        }
        catch when (_original == 0)
        {
            Forget(pages, length);
            throw;
        }
    }

    private void LeaveAlone(ulong end)
    {
        if (end == _done)
        {
            return;
        }

        if (_original != 0)
        {
            Forget(_original + (nint)_done, (nuint)(end - _done));
        }

        (_done, _leftAlone) = (end, true);
    }

    private static nint MapPrivate(nuint length)
    {
        var pages = Native.MMap(0, length, Native.PROT_READ | Native.PROT_WRITE, Native.MAP_PRIVATE | Native.MAP_ANONYMOUS, -1, 0);
        if (pages == -1)
        {
            LinuxException.ThrowLast($"mmap of {length} bytes");
        }

        return pages;
    }

    private static void Forget(nint address, nuint length)
    {
        if (address != 0)
        {
            _ = Native.MUnmap(address, length); // of a range that nobody else knows
        }
    }

    private static void Write(FileDescriptor file, nint from, ulong length, ulong offset)
    {
        for (ulong done = 0; done < length;)
        {
            done += Count(Native.WriteAt(file, from + (nint)done, (nuint)(length - done), (long)(offset + done)), "pwrite");
        }
    }

    private static void Read(FileDescriptor file, nint to, ulong length, ulong offset)
    {
        for (ulong done = 0; done < length;)
        {
            done += Count(Native.ReadAt(file, to + (nint)done, (nuint)(length - done), (long)(offset + done)), "pread");
        }
    }

    private static ulong Count(nint result, string call)
    {
        if (result > 0)
        {
            return (ulong)result;
        }

        if (result == 0)
        {
            throw new LinuxException(call, Errno.EFAULT);
        }

        if (LinuxException.LastErrno != Errno.EINTR)
        {
            LinuxException.ThrowLast(call);
        }

        return 0;
    }

    private static void CheckAligned(ulong value, string name)
    {
        if (value % (ulong)Environment.SystemPageSize != 0)
        {
            throw new ArgumentOutOfRangeException(name, $"{value:x} is not a multiple of the page size.");
        }
    }
}
