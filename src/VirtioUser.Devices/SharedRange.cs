// A range of shared memory that may be longer than a span can be.
using Virtio;

namespace VirtioUser.Devices;

/// <summary>Bytes shared with the guest. Holds nothing: whoever made it guarantees that the memory stays.</summary>
public readonly struct SharedRange
{
    private readonly ISharedMemory? _memory;
    private readonly ulong _offset;

    /// <summary>Names a range.</summary>
    /// <param name="memory">The memory that the range is in.</param>
    /// <param name="offset">Where it begins, in bytes.</param>
    /// <param name="length">Its length in bytes; the maker has checked that it fits.</param>
    public SharedRange(ISharedMemory memory, ulong offset, ulong length)
    {
        _memory = memory;
        _offset = offset;
        Length = length;
    }

    /// <summary>The length in bytes.</summary>
    public ulong Length { get; }

    /// <summary>All of the range.</summary>
    /// <exception cref="OverflowException">It is longer than a span can be.</exception>
    internal Span<byte> All => Length <= int.MaxValue
        ? Slice(0, (int)Length)
        : throw new OverflowException(
            $"{Length} bytes are more than the 2 GiB - 1 ({int.MaxValue}) that one span can show: take them in parts, with Slice or OpenStream.");

    /// <summary>A part of the range.</summary>
    /// <param name="offset">Where the part begins, in bytes from the range's beginning.</param>
    /// <param name="length">Its length in bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The part is not inside the range.</exception>
    public Span<byte> Slice(ulong offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        Check(offset, (ulong)length);
        return length == 0 ? [] : _memory!.GetSpan(_offset + offset, length);
    }

    /// <summary>A part of the range, of any length.</summary>
    /// <param name="offset">Where the part begins, in bytes from the range's beginning.</param>
    /// <param name="length">Its length in bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The part is not inside the range.</exception>
    internal SharedRange Part(ulong offset, ulong length)
    {
        Check(offset, length);
        return length == 0 ? default : new SharedRange(_memory!, _offset + offset, length);
    }

    private void Check(ulong offset, ulong length)
    {
        if (!Bounds.Contains(Length, offset, length))
        {
            throw new ArgumentOutOfRangeException(nameof(offset), $"{length} bytes at {offset} do not lie inside a range of {Length} bytes.");
        }
    }
}
