// The device's side of a split virtqueue.
using System.Buffers.Binary;

namespace Virtio.Queues;

/// <summary>
/// The device's side of a split virtqueue (virtio 1.2, section 2.7): takes chains from the available ring and returns
/// them on the used ring.
/// </summary>
/// <remarks>
/// <para>Threads: one thread may use the available side (<see cref="TryTake"/>, <see cref="PutBack"/>,
/// <see cref="EnableKicks"/>, <see cref="DisableKicks"/>, the chain) while another uses the used side
/// (<see cref="Return"/>, <see cref="MustCall"/>); each side by one thread at a time.</para>
/// <para>The driver is not trusted. What is wrong in one chain is reported with that chain (<see cref="ChainError"/>), which
/// can still be returned. What is wrong in the rings (an index that no sound driver writes, memory that is gone) throws
/// <see cref="QueueException"/>; the queue is broken then, and throws from there on.</para>
/// <para>Nothing here allocates after construction, except to throw.</para>
/// </remarks>
public sealed partial class DeviceQueue : SplitQueue
{
    // The available side.
    private ushort _nextAvailable;

    // The used side.
    private ushort _nextUsed;
    private uint _returnedSinceAsked;
    private bool _asked;

    /// <summary>Attaches to the rings of a queue.</summary>
    /// <param name="memory">Where rings and buffers are.</param>
    /// <param name="layout">Size and addresses.</param>
    /// <param name="features">What was negotiated; other bits than those of <see cref="QueueFeatures"/> are ignored.</param>
    /// <param name="lastAvailable">The available index from which to go on: 0 for a new queue. The used index is read
    /// from the used ring, where it survives the device's process; whoever takes over a ring whose last calls may be
    /// lost signals one call at the start.</param>
    /// <exception cref="QueueException">The layout is wrong.</exception>
    public DeviceQueue(GuestMemory memory, QueueLayout layout, QueueFeatures features, ushort lastAvailable = 0)
        : base(memory, layout, features)
    {
        _buffers = new GuestBuffer[layout.Size];
        _nextAvailable = lastAvailable;
        _nextUsed = LittleEndian.ReadAcquire(UsedRing(), IndexOffset);
    }

    /// <summary>
    /// The available index of the next chain to take: what vhost calls the vring base. Stable only while nobody takes.
    /// </summary>
    public ushort LastAvailable => _nextAvailable;

    /// <summary>The used index after the last return. Stable only while nobody returns.</summary>
    public ushort UsedIndex => _nextUsed;

    /// <summary>Whether the driver has made chains available that were not taken. On the available side's thread.</summary>
    /// <exception cref="QueueException">The queue is broken.</exception>
    public bool HasAvailable => LittleEndian.ReadAcquire(AvailableRing(), IndexOffset) != _nextAvailable;

    /// <summary>Takes the next chain that the driver made available.</summary>
    /// <param name="chain">The chain; look at its <see cref="DescriptorChain.Error"/> first.</param>
    /// <returns>False if there is none.</returns>
    /// <exception cref="QueueException">The queue is broken.</exception>
    public bool TryTake(out DescriptorChain chain)
    {
        var available = AvailableRing();
        // Acquire: pairs with the driver's write barrier between filling the ring and moving its index (2.7.13.3).
        var pending = (ushort)(LittleEndian.ReadAcquire(available, IndexOffset) - _nextAvailable);
        if (pending == 0)
        {
            chain = default;
            return false;
        }
        if (pending > _layout.Size)
        {
            Break($"The available index is {pending} ahead in a queue of {_layout.Size}.");
        }

        var head = BinaryPrimitives.ReadUInt16LittleEndian(available[(RingOffset + 2 * (_nextAvailable & _mask))..]);
        if (head >= _layout.Size)
        {
            Break($"The available ring names descriptor {head} in a queue of {_layout.Size}.");
        }

        var error = Walk(head);
        if (error != ChainError.None)
        {
            ForgetBuffers();
        }

        chain = new DescriptorChain(this, ++_take, head, error, _descriptorCount, (uint)_readableLength, (uint)_writableLength);
        _nextAvailable++;
        return true;
    }

    /// <summary>
    /// Undoes the last <see cref="TryTake"/>: the chain will be taken again. For a device that stops before it could use
    /// a chain it holds. Chains are put back in the opposite order of taking; none that was taken later may have been
    /// returned.
    /// </summary>
    public void PutBack()
    {
        _nextAvailable--;
        // The chain that is put back may not be read any more.
        _take++;
    }

    /// <summary>Gives a chain back to the driver. Chains may be returned in another order than they were taken.</summary>
    /// <param name="head">Its <see cref="DescriptorChain.Head"/>.</param>
    /// <param name="written">Number of bytes that were written to it, from the first.</param>
    /// <exception cref="QueueException">The queue is broken.</exception>
    public void Return(ushort head, uint written)
    {
        var used = UsedRing();
        var element = used.Slice(RingOffset + UsedElementSize * (_nextUsed & _mask), UsedElementSize);
        BinaryPrimitives.WriteUInt32LittleEndian(element, head);
        BinaryPrimitives.WriteUInt32LittleEndian(element[4..], written);
        _nextUsed++;
        _returnedSinceAsked++;
        // Release: buffer and element are visible before the index (2.7.14); pairs with the driver's read barrier.
        LittleEndian.WriteRelease(used, IndexOffset, _nextUsed);
    }

    /// <summary>Asks the driver to kick for the next chain. Used before sleeping.</summary>
    /// <returns>True if chains came meanwhile: take them before sleeping, no kick may come for these.</returns>
    /// <exception cref="QueueException">The queue is broken.</exception>
    public bool EnableKicks()
    {
        var used = UsedRing();
        if (_eventIndex)
        {
            LittleEndian.WriteRelease(used, RingOffset + UsedElementSize * _layout.Size, _nextAvailable);
        }
        else
        {
            LittleEndian.WriteRelease(used, FlagsOffset, 0);
        }
        // Full fence: our wish is visible before we look at the index again. Pairs with the driver's full fence
        // between moving the index and reading our wish (2.7.13.4.1); either it sees the wish, or we see the chain.
        Thread.MemoryBarrier();
        return HasAvailable;
    }

    /// <summary>Tells the driver that no kick is needed, while chains are taken anyhow. Only a hint: kicks may still come.</summary>
    /// <exception cref="QueueException">The queue is broken.</exception>
    public void DisableKicks()
    {
        if (_eventIndex)
        {
            // Behind: the driver passes it only once in 65536 chains.
            LittleEndian.WriteRelease(UsedRing(), RingOffset + UsedElementSize * _layout.Size, (ushort)(_nextAvailable - 1));
        }
        else
        {
            LittleEndian.WriteRelease(UsedRing(), FlagsOffset, UsedNoNotify);
        }
    }

    /// <summary>Whether the driver wants a call for what was returned since this was asked last.</summary>
    /// <exception cref="QueueException">The queue is broken.</exception>
    public bool MustCall()
    {
        var returned = _returnedSinceAsked;
        if (returned == 0)
        {
            return false;
        }

        _returnedSinceAsked = 0;
        // Full fence: the used index is visible before we read the driver's wish. Pairs with the driver's full fence
        // between writing its wish and looking at the used index again (2.7.14).
        Thread.MemoryBarrier();
        var available = AvailableRing();
        if (!_eventIndex)
        {
            return (LittleEndian.ReadAcquire(available, FlagsOffset) & AvailableNoInterrupt) == 0;
        }

        var wish = LittleEndian.ReadAcquire(available, RingOffset + 2 * _layout.Size);
        var first = !_asked;
        _asked = true;
        // True if the index passed the wish: the wish is one of the entries that were returned since the last time.
        return first || (ushort)(_nextUsed - wish - 1) < returned;
    }
}
