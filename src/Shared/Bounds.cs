// The one check that a range lies inside another. Compiled into each library that needs it, since they have no common base.
namespace Virtio;

/// <summary>Checks of ranges whose numbers come from an untrusted side.</summary>
internal static class Bounds
{
    /// <summary>
    /// Whether a range lies inside something that begins at 0, for any numbers: nothing is added, so nothing overflows.
    /// An empty range may lie at the end.
    /// </summary>
    /// <param name="size">The size of the whole.</param>
    /// <param name="offset">Where the range begins.</param>
    /// <param name="length">The length of the range, in the same unit.</param>
    public static bool Contains(ulong size, ulong offset, ulong length) => offset <= size && length <= size - offset;

    /// <summary>The same for a whole that begins elsewhere.</summary>
    /// <param name="start">Where the whole begins.</param>
    /// <param name="size">The size of the whole. It must end inside the address space, or at its end.</param>
    /// <param name="address">Where the range begins, counted as <paramref name="start"/> is.</param>
    /// <param name="length">The length of the range.</param>
    /// <param name="offset">Where the range begins, from the start of the whole; only of use if it lies inside.</param>
    public static bool Contains(ulong start, ulong size, ulong address, ulong length, out ulong offset)
    {
        offset = unchecked(address - start);
        return address >= start && Contains(size, offset, length);
    }
}
