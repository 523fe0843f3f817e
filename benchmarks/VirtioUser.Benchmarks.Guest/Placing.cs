// Where buffers lie, as far as it decides how fast they are copied.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace VirtioUser.Benchmarks.Guest;

/// <summary>
/// Where memory lies changes from run to run, and an emulated guest copies up to ten times slower if source and target lie badly
/// to each other. QEMU's cache of translations is direct-mapped: if they are a power of two apart, their pages take each other's
/// place all the time. And the C library's copy slows down to a third where the target is a few bytes further into its page than
/// the source. So that chance decides no figure, every copy here has the same good distance.
/// </summary>
internal static class Placing
{
    /// <summary>How many bytes more the target must have than it is to hold.</summary>
    public const int Slack = 64 * PageSize; // as many pages as that cache has at the least; with more it is no different

    private const int PageSize = 4096, CacheLine = 64;

    // As far as can be from both.
    private const int Distance = Slack / 2 + PageSize / 2;

    /// <summary>Where in the target the bytes should begin that are copied from the source.</summary>
    /// <param name="target">The target, with <see cref="Slack"/>; neither side may move.</param>
    /// <param name="source">The source.</param>
    /// <returns>Less than <see cref="Slack"/>, and a number of cache lines.</returns>
    public static int OffsetIn(ReadOnlySpan<byte> target, ReadOnlySpan<byte> source)
    {
        var apart = Unsafe.ByteOffset(ref MemoryMarshal.GetReference(source), ref MemoryMarshal.GetReference(target));
        return (int)((Distance - apart) & (Slack - CacheLine));
    }
}
