// The bytes that a device in C# keeps for longer than a ping.
using VirtioUser.Devices;

namespace VirtioUser.Host.Memory;

/// <summary>What is behind a <see cref="HeldRange"/>: bytes that can be reached only while they are held.</summary>
/// <param name="hold">The hold, which stands in the list.</param>
/// <param name="range">Its bytes.</param>
/// <param name="holds">The list of the instance.</param>
/// <param name="objects">All objects.</param>
internal sealed class HeldMemory(Hold hold, SharedRange range, HoldList holds, ObjectTable objects) : ISharedMemory, IDisposable
{
    /// <inheritdoc/>
    public ulong Length => range.Length;

    /// <inheritdoc/>
    public Span<byte> GetSpan(ulong offset, int length)
    {
        ObjectDisposedException.ThrowIf(hold.Ended, typeof(HeldRange));
        return range.Slice(offset, length);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (holds.Remove(hold))
        {
            objects.Release(hold.Shared);
        }
    }
}
