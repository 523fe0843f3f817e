// Which bytes of the shared memory hold input that the device has not taken yet.
namespace VirtioUser.Codec;

/// <summary>
/// Hands out ranges of an area and takes them back in the same order, as a ring. At most <see cref="Protocol.RingEntries"/> ranges
/// are out at a time. Knows no memory, only numbers. Not thread-safe.
/// </summary>
internal sealed class InputArea
{
    // The bytes of each range that is out. The oldest is the one after all that were released.
    private readonly ulong[] _ranges = new ulong[Protocol.RingEntries];
    private uint _taken;
    private uint _released;

    // What is free begins here, goes round the area's end, and is this long.
    private ulong _begin;
    private ulong _free;

    /// <summary>Makes an area of which nothing is out.</summary>
    /// <param name="size">Its length in bytes.</param>
    public InputArea(ulong size) => Size = _free = size;

    /// <summary>The area's length in bytes.</summary>
    public ulong Size { get; }

    /// <summary>How many ranges are out.</summary>
    public uint Count => _taken - _released;

    /// <summary>Takes a range, as long as there is room at the next place.</summary>
    /// <param name="most">The most bytes; 0 takes a place in the order and no bytes.</param>
    /// <param name="offset">Where it begins in the area.</param>
    /// <param name="length">How long it is: at least 1, unless nothing was wanted.</param>
    /// <returns>False if there is no room until older ranges are released.</returns>
    public bool TryTake(ulong most, out ulong offset, out ulong length)
    {
        if (_begin == Size)
        {
            _begin = 0;
        }

        offset = _begin;
        length = Math.Min(most, Math.Min(_free, Size - _begin));
        if (Count == Protocol.RingEntries || (length == 0 && most != 0))
        {
            return false;
        }

        _begin += length;
        _free -= length;
        _ranges[_taken++ % Protocol.RingEntries] = length;
        return true;
    }

    /// <summary>Takes the oldest range back, of which there must be one.</summary>
    public void Release()
    {
        _free += _ranges[_released++ % Protocol.RingEntries];
        if (_free == Size)
        {
            // Nothing is out: long ranges are better than short ones.
            _begin = 0;
        }
    }
}
