// A chain of buffers that a device took from its queue.
namespace Virtio.Queues;

/// <summary>
/// One chain of descriptors, as the device sees it: first bytes to read, then bytes to write. Valid until the next
/// <see cref="DeviceQueue.TryTake"/> of its queue, and on that thread; <see cref="Head"/> may be kept, to return the chain later.
/// </summary>
public readonly ref struct DescriptorChain
{
    private readonly DeviceQueue _queue;
    private readonly ulong _take;

    internal DescriptorChain(DeviceQueue queue, ulong take, ushort head, ChainError error, int descriptorCount, uint readableLength, uint writableLength)
    {
        _queue = queue;
        _take = take;
        Head = head;
        Error = error;
        DescriptorCount = descriptorCount;
        ReadableLength = readableLength;
        WritableLength = writableLength;
    }

    /// <summary>The index of the first descriptor: what <see cref="DeviceQueue.Return"/> wants.</summary>
    public ushort Head { get; }

    /// <summary>What is wrong with the chain, if anything. A bad chain has no bytes, and is to be returned with 0 written.</summary>
    public ChainError Error { get; }

    /// <summary>
    /// Number of descriptors that were read to take the chain: what it cost. At least 1 for a chain that was taken, those that
    /// point to an indirect table and those of a bad chain included; at most the queue's <see cref="SplitQueue.Size"/> and two.
    /// Whoever takes chains in a loop bounds the sum of these and not the number of chains: a driver can make each
    /// chain of a ring as long as the queue, out of the same descriptors.
    /// </summary>
    public int DescriptorCount { get; }

    /// <summary>Number of bytes that the driver sends.</summary>
    public uint ReadableLength { get; }

    /// <summary>Number of bytes that the driver has room for.</summary>
    public uint WritableLength { get; }

    /// <summary>
    /// Copies bytes that the driver sends, once, in order from the first. Validate the copy, not the original: the
    /// driver can still change that.
    /// </summary>
    /// <param name="destination">Where to; filled as far as there are bytes.</param>
    /// <returns>The number of bytes copied: the smaller of the two lengths.</returns>
    /// <exception cref="InvalidOperationException">Another chain was taken since.</exception>
    public int CopyTo(Span<byte> destination) => _queue.CopyReadable(_take, destination);

    /// <summary>Writes bytes for the driver, from the first byte of its room.</summary>
    /// <param name="source">The bytes.</param>
    /// <returns>The number of bytes written: the smaller of the two lengths. What <see cref="DeviceQueue.Return"/> wants.</returns>
    /// <exception cref="InvalidOperationException">Another chain was taken since.</exception>
    public int Write(ReadOnlySpan<byte> source) => _queue.WriteWritable(_take, source);
}
