// A range of a file in the process's address space.
using System.Diagnostics.CodeAnalysis;

namespace Virtio.Linux;

/// <summary>
/// A shared mapping of a range of a file: what one process writes, all others that map it see. From one page to
/// whatever address space is left.
/// </summary>
/// <remarks>
/// <para>Spans and memories taken from a mapping may be used on any thread, until <see cref="Dispose"/>; whoever
/// disposes must know that no span is in use any more, since touching one afterwards ends the process. Keep the
/// mapping itself referenced while its spans are used.</para>
/// <para>If the file is shrunk, touching what is gone ends the process: map only files sealed with
/// <see cref="Seals.Shrink"/>, if another process holds them too.</para>
/// </remarks>
public sealed unsafe class Mapping : IDisposable
{
    /// <summary>
    /// Where a range of a file can end at most: 1 EiB. More than any memory, and so far from the ends of all number types that
    /// no sum with it overflows.
    /// </summary>
    public const ulong MaximumEnd = 1UL << 60;

    private readonly MappingHandle _handle;
    // Zero once disposed, so that one comparison guards every access.
    private nint _address;

    private Mapping(MappingHandle handle, nint address, ulong length)
    {
        _handle = handle;
        _address = address;
        Length = length;
    }

    /// <summary>The length in bytes.</summary>
    public ulong Length { get; }

    /// <summary>The address of the first byte in this process.</summary>
    /// <exception cref="ObjectDisposedException">The mapping is gone.</exception>
    public nint Address
    {
        get
        {
            var address = _address;
            ObjectDisposedException.ThrowIf(address == 0, this);
            return address;
        }
    }

    /// <summary>Maps a range of a file. The descriptor may be closed afterwards.</summary>
    /// <param name="descriptor">The file.</param>
    /// <param name="offset">First byte of the range in the file; need not lie on a page boundary.</param>
    /// <param name="length">Length in bytes, not 0. That the file is as long is the caller's to check.</param>
    /// <param name="access">What may be done with the bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The length is 0 or the range goes beyond what a file can have.</exception>
    /// <exception cref="LinuxException">The file cannot be mapped so.</exception>
    public static Mapping Map(FileDescriptor descriptor, ulong offset, ulong length, MapAccess access = MapAccess.ReadWrite)
    {
        ArgumentNullException.ThrowIfNull(descriptor);
        ArgumentOutOfRangeException.ThrowIfZero(length);
        if (!Bounds.Contains(MaximumEnd, offset, length))
        {
            throw new ArgumentOutOfRangeException(nameof(offset), $"{length} bytes at {offset} do not lie inside any file.");
        }

        // Files of huge pages can be mapped (and unmapped) only in units of these.
        var unit = descriptor.MappingUnit;
        var before = offset % unit;
        var mapped = (before + length + unit - 1) / unit * unit;
        var handle = MappingHandle.MapShared(descriptor, offset - before, (nuint)mapped, access);
        return new Mapping(handle, handle.Address + (nint)before, length);
    }

    /// <summary>A part of the mapping as a span. Checked against the mapping's bounds; allocates nothing.</summary>
    /// <param name="offset">First byte, from the start of the mapping.</param>
    /// <param name="length">Length in bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The part does not lie inside the mapping.</exception>
    /// <exception cref="ObjectDisposedException">The mapping is gone.</exception>
    public Span<byte> GetSpan(ulong offset, int length)
    {
        if (length < 0 || !Bounds.Contains(Length, offset, (uint)length))
        {
            ThrowOutside(offset, length);
        }

        return new Span<byte>((byte*)Address + offset, length);
    }

    /// <summary>
    /// A part of the mapping as memory, for interfaces that want one. Allocates a small object; it can be kept, and
    /// throws <see cref="ObjectDisposedException"/> when its span is asked for after the mapping is gone.
    /// </summary>
    /// <param name="offset">First byte, from the start of the mapping.</param>
    /// <param name="length">Length in bytes.</param>
    /// <param name="pins">Is told of every pin of the memory, if given.</param>
    /// <exception cref="ArgumentOutOfRangeException">The part does not lie inside the mapping.</exception>
    public Memory<byte> GetMemory(ulong offset, int length, IPinCounter? pins = null)
    {
        if (length < 0 || !Bounds.Contains(Length, offset, (uint)length))
        {
            ThrowOutside(offset, length);
        }

        return new MappedMemory(this, offset, length, pins).Memory;
    }

    /// <summary>Unmaps. Spans that were taken must not be touched afterwards.</summary>
    public void Dispose()
    {
        _address = 0;
        _handle.Dispose();
    }

    [DoesNotReturn]
    private void ThrowOutside(ulong offset, int length) => throw new ArgumentOutOfRangeException(
        nameof(offset), $"{length} bytes at {offset} do not lie inside a mapping of {Length} bytes.");
}
