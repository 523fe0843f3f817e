// Which parts of the arena are free.
namespace VirtioUser.Host.Memory;

/// <summary>
/// Gives out ranges of [0, length): out of the smallest free range in which it fits, the lowest of those. Neighbours that
/// become free grow together. All operations take time logarithmic in the number of free ranges; with an alignment, linear in the
/// number of those that are long enough.
/// Not for use by several threads at once.
/// </summary>
internal sealed class RangeAllocator
{
    private readonly SortedSet<(ulong Size, ulong Start)> _bySize = [];
    private readonly Dictionary<ulong, ulong> _endOfStart = [];
    private readonly Dictionary<ulong, ulong> _startOfEnd = [];

    /// <summary>Begins with everything free.</summary>
    /// <param name="length">How many bytes there are.</param>
    public RangeAllocator(ulong length) => Insert(0, length);

    /// <summary>The free ranges, in no order.</summary>
    public IEnumerable<(ulong Start, ulong Size)> Free => _endOfStart.Select(range => (range.Key, range.Value - range.Key));

    /// <summary>How many bytes are free.</summary>
    public ulong TotalFree { get; private set; }

    /// <summary>How many bytes the longest free range has.</summary>
    public ulong LongestFree => _bySize.Count == 0 ? 0 : _bySize.Max.Size;

    /// <summary>Takes a range.</summary>
    /// <param name="size">How many bytes, at least 1.</param>
    /// <param name="start">Where the range begins.</param>
    /// <param name="alignment">A power of two of which the beginning is a multiple.</param>
    /// <returns>False when it fits into no free range.</returns>
    public bool TryTake(ulong size, out ulong start, ulong alignment = 1)
    {
        ArgumentOutOfRangeException.ThrowIfZero(size);
        start = 0;
        if (LongestFree < size)
        {
            return false;
        }

        foreach (var (freeSize, freeStart) in _bySize.GetViewBetween((size, 0), (ulong.MaxValue, ulong.MaxValue)))
        {
            var before = (alignment - (freeStart & (alignment - 1))) & (alignment - 1);
            if (before <= freeSize - size)
            {
                Take(freeStart, freeSize, before, size);
                start = freeStart + before;
                return true;
            }
        }

        return false;
    }

    /// <summary>Gives back a range that <see cref="TryTake"/> gave out.</summary>
    /// <param name="start">Where it begins.</param>
    /// <param name="size">Its length in bytes.</param>
    public void Return(ulong start, ulong size)
    {
        var end = start + size;
        if (_startOfEnd.TryGetValue(start, out var before))
        {
            Remove(before, start - before);
            start = before;
        }

        if (_endOfStart.TryGetValue(end, out var after))
        {
            Remove(end, after - end);
            end = after;
        }

        Insert(start, end - start);
    }

    /// <summary>Takes a free range out of use, for good.</summary>
    /// <param name="start">Where it begins; one of <see cref="Free"/>.</param>
    /// <param name="size">Its length in bytes.</param>
    public void Withdraw(ulong start, ulong size) => Remove(start, size);

    private void Take(ulong freeStart, ulong freeSize, ulong before, ulong size)
    {
        Remove(freeStart, freeSize);
        if (before > 0)
        {
            Insert(freeStart, before);
        }

        if (freeSize > before + size)
        {
            Insert(freeStart + before + size, freeSize - before - size);
        }
    }

    private void Insert(ulong start, ulong size)
    {
        TotalFree += size;
        _bySize.Add((size, start));
        _endOfStart.Add(start, start + size);
        _startOfEnd.Add(start + size, start);
    }

    private void Remove(ulong start, ulong size)
    {
        TotalFree -= size;
        _bySize.Remove((size, start));
        _endOfStart.Remove(start);
        _startOfEnd.Remove(start + size);
    }
}
