// Which bytes of the shared memory hold packets that the device has not taken yet.
namespace VirtioUser.Codec;

/// <summary>
/// Hands out contiguous ranges of an area and takes them back in the same order, as a ring: an end of the area that is
/// too short for a packet is skipped. At most <see cref="Protocol.RingEntries"/> ranges are out at a time. Knows no memory,
/// only numbers. Not thread-safe.
/// </summary>
internal sealed class PacketArea
{
    // For each range that is out: its bytes, and those skipped before it. The oldest is the one after all that were released.
    private readonly ulong[] _ranges = new ulong[Protocol.RingEntries];
    private uint _taken;
    private uint _released;

    // What is free begins here, goes round the area's end, and is this long.
    private ulong _begin;
    private ulong _free;

    /// <summary>Makes an area of which nothing is out.</summary>
    /// <param name="size">Its length in bytes.</param>
    public PacketArea(ulong size) => Size = _free = size;

    /// <summary>The area's length in bytes.</summary>
    public ulong Size { get; }

    /// <summary>How many ranges are out.</summary>
    public uint Count => _taken - _released;

    /// <summary>Takes a range.</summary>
    /// <param name="length">In bytes, not more than <see cref="Size"/>; 0 takes a place in the order and no bytes.</param>
    /// <param name="offset">Where it begins in the area.</param>
    /// <returns>False if there is no room until older ranges are released.</returns>
    public bool TryTake(ulong length, out ulong offset)
    {
        offset = 0;
        if (Count == Protocol.RingEntries)
            return false;
        if (_free == Size)
            _begin = 0;
        var toTheEnd = Size - _begin;
        var skipped = length > toTheEnd ? toTheEnd : 0;
        if (length > _free || skipped > _free - length)
            return false;
        offset = skipped > 0 ? 0 : _begin;
        _begin = offset + length;
        _free -= skipped + length;
        _ranges[_taken++ % Protocol.RingEntries] = skipped + length;
        return true;
    }

    /// <summary>Takes the oldest range back, of which there must be one.</summary>
    public void Release() => _free += _ranges[_released++ % Protocol.RingEntries];
}
