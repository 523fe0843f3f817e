// The simplest guest memory: one block.
namespace Virtio.Queues;

/// <summary>Guest memory that is one block of bytes, for queues inside one process or inside one shared mapping.</summary>
/// <param name="bytes">The block. For memory shared with another process: memory that never moves.</param>
/// <param name="firstAddress">Guest-physical address of its first byte.</param>
public sealed class ContiguousMemory(Memory<byte> bytes, ulong firstAddress = 0) : GuestMemory
{
    /// <inheritdoc/>
    public override bool TryGetSpan(ulong address, uint length, out Span<byte> span)
    {
        if (!Bounds.Contains(firstAddress, (uint)bytes.Length, address, length, out var offset))
        {
            span = default;
            return false;
        }
        span = bytes.Span.Slice((int)offset, (int)length);
        return true;
    }
}
