// Where buffers lie, as far as it decides how fast they are copied.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace VirtioUser.Benchmarks.Guest;

/// <summary>
/// Keeps the two ends of a copy apart in QEMU's cache of translations, which is direct-mapped: if their addresses are a power
/// of two apart, their pages take each other's place all the time, and an emulated guest copies 3 to 10 times slower. Where
/// memory lies changes from run to run, so chance would decide what a figure is.
/// </summary>
internal static class Placing
{
    /// <summary>How many bytes more the target must have than it is to hold.</summary>
    public const int Slack = 64 * PageSize; // as many entries as that cache has at the least; with more it is no different

    private const int PageSize = 4096;

    /// <summary>Where in the target the bytes should begin that are copied from the source: half of the smallest cache away.</summary>
    /// <param name="source">The source; neither side may move.</param>
    /// <param name="target">The target, with <see cref="Slack"/>.</param>
    /// <returns>Less than <see cref="Slack"/>, and a number of pages.</returns>
    public static int OffsetIn(ReadOnlySpan<byte> target, ReadOnlySpan<byte> source)
    {
        var distance = Unsafe.ByteOffset(ref MemoryMarshal.GetReference(source), ref MemoryMarshal.GetReference(target));
        return (int)((Slack / 2 - distance) & (Slack - PageSize));
    }
}
