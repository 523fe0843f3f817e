// The driver's side of a split virtqueue.
using System.Buffers.Binary;

namespace Virtio.Queues;

/// <summary>
/// The driver's side of a split virtqueue (virtio 1.2, section 2.7): makes chains available and takes them back from
/// the used ring. For tests, and for programs that drive a device without a guest kernel.
/// </summary>
/// <remarks>
/// For one thread at a time. The device is not trusted: the free list is kept outside the shared memory, and what the
/// used ring says is checked. Nothing here allocates after construction, except to throw.
/// <para>Free descriptors are taken in the order in which they came back, so that the rings of a device that works in order
/// look the same at every turn; and what is there already is not written again. So the device, on another processor, finds
/// most of what it reads in its own cache.</para>
/// </remarks>
public sealed class DriverQueue : SplitQueue
{
    // For each free descriptor the next free one; for each used one the next of its chain.
    private readonly ushort[] _next;
    private readonly Chain[] _chains;
    private ushort _firstFree, _lastFree, _nextAvailable, _nextUsed;
    private uint _addedSinceAsked;

    /// <summary>Clears the rings and begins an empty queue.</summary>
    /// <param name="memory">Where rings and buffers are.</param>
    /// <param name="layout">Size and addresses.</param>
    /// <param name="features">What was negotiated; other bits than those of <see cref="QueueFeatures"/> are ignored.</param>
    /// <exception cref="QueueException">The layout is wrong.</exception>
    public DriverQueue(GuestMemory memory, QueueLayout layout, QueueFeatures features)
        : base(memory, layout, features)
    {
        _next = new ushort[layout.Size];
        _chains = new Chain[layout.Size];
        for (var i = 0; i < layout.Size; i++)
        {
            _next[i] = (ushort)(i + 1);
        }

        FreeDescriptors = layout.Size;
        _lastFree = (ushort)(layout.Size - 1);
        DescriptorTable().Clear();
        AvailableRing().Clear();
        UsedRing().Clear();
    }

    /// <summary>Number of descriptors that no chain holds.</summary>
    public int FreeDescriptors { get; private set; }

    /// <summary>Makes a chain available to the device, one descriptor for each buffer.</summary>
    /// <param name="readable">What the device reads.</param>
    /// <param name="writable">Where the device writes.</param>
    /// <param name="token">Comes back from <see cref="TryReclaim"/>.</param>
    /// <returns>False if there are not enough free descriptors.</returns>
    /// <exception cref="ArgumentException">No buffer, more than the queue can ever hold, or more than 2^32 - 1 bytes.</exception>
    /// <exception cref="QueueException">The queue is broken.</exception>
    public bool TryAdd(ReadOnlySpan<GuestBuffer> readable, ReadOnlySpan<GuestBuffer> writable, ulong token)
    {
        var writableLength = CheckBuffers(readable, writable);
        var count = readable.Length + writable.Length;
        if (count > FreeDescriptors)
        {
            return false;
        }

        var table = DescriptorTable();
        ushort head = _firstFree, index = head, last = head;
        for (var i = 0; i < count; i++)
        {
            BufferDescriptor(readable, writable, i, _next[index]).WriteIfOther(table, index);
            last = index;
            index = _next[index];
        }
        Publish(head, last, count, writableLength, token);
        return true;
    }

    /// <summary>Makes a chain available that takes one descriptor, by means of a table elsewhere (section 2.7.5.3).</summary>
    /// <param name="table">Where the table goes; in use until the chain is reclaimed.</param>
    /// <param name="readable">What the device reads.</param>
    /// <param name="writable">Where the device writes.</param>
    /// <param name="token">Comes back from <see cref="TryReclaim"/>.</param>
    /// <returns>False if no descriptor is free.</returns>
    /// <exception cref="ArgumentException">As for <see cref="TryAdd"/>, or the table is too small or outside the memory.</exception>
    /// <exception cref="QueueException">The queue is broken.</exception>
    /// <exception cref="InvalidOperationException">Indirect descriptors were not negotiated.</exception>
    public bool TryAddIndirect(GuestBuffer table, ReadOnlySpan<GuestBuffer> readable, ReadOnlySpan<GuestBuffer> writable, ulong token)
    {
        if (!_indirect)
        {
            throw new InvalidOperationException("Indirect descriptors were not negotiated.");
        }

        var writableLength = CheckBuffers(readable, writable);
        var count = readable.Length + writable.Length;
        var length = (uint)(count * Descriptor.Size);
        if (table.Length < length || !_memory.TryGetSpan(table.Address, length, out var entries))
        {
            throw new ArgumentException("The indirect table is too small or outside the memory.", nameof(table));
        }

        if (FreeDescriptors == 0)
        {
            return false;
        }

        for (var i = 0; i < count; i++)
        {
            BufferDescriptor(readable, writable, i, (ushort)(i + 1)).Write(entries, i);
        }

        new Descriptor(table.Address, length, DescriptorFlags.Indirect, 0).WriteIfOther(DescriptorTable(), _firstFree);
        Publish(_firstFree, _firstFree, 1, writableLength, token);
        return true;
    }

    /// <summary>Whether the device wants a kick for what was added since this was asked last.</summary>
    /// <exception cref="QueueException">The queue is broken.</exception>
    public bool MustKick()
    {
        var added = _addedSinceAsked;
        if (added == 0)
        {
            return false;
        }

        _addedSinceAsked = 0;
        // Full fence: the index is visible before we read the device's wish (2.7.13.4.1). Pairs with the fence in
        // DeviceQueue.EnableKicks.
        Thread.MemoryBarrier();
        var used = UsedRing();
        if (!_eventIndex)
        {
            return (LittleEndian.ReadAcquire(used, FlagsOffset) & UsedNoNotify) == 0;
        }

        var wish = LittleEndian.ReadAcquire(used, RingOffset + UsedElementSize * _layout.Size);
        return (ushort)(_nextAvailable - wish - 1) < added;
    }

    /// <summary>Whether <see cref="TryReclaim"/> has something to take back.</summary>
    /// <exception cref="QueueException">The queue is broken.</exception>
    public bool HasReturned => LittleEndian.ReadAcquire(UsedRing(), IndexOffset) != _nextUsed;

    /// <summary>Takes back the next chain that the device returned.</summary>
    /// <param name="token">What was given to <see cref="TryAdd"/>.</param>
    /// <param name="written">Number of bytes that the device wrote, from the first; never more than there was room for.</param>
    /// <returns>False if there is none.</returns>
    /// <exception cref="QueueException">The device broke the queue.</exception>
    public bool TryReclaim(out ulong token, out uint written)
    {
        var used = UsedRing();
        // Acquire: pairs with the device's release in DeviceQueue.Return.
        var pending = (ushort)(LittleEndian.ReadAcquire(used, IndexOffset) - _nextUsed);
        (token, written) = (0, 0);
        if (pending == 0)
        {
            return false;
        }

        if (pending > _layout.Size)
        {
            Break($"The used index is {pending} ahead in a queue of {_layout.Size}.");
        }

        var element = used.Slice(RingOffset + UsedElementSize * (_nextUsed & _mask), UsedElementSize);
        var head = BinaryPrimitives.ReadUInt32LittleEndian(element);
        written = BinaryPrimitives.ReadUInt32LittleEndian(element[4..]);
        if (head >= _layout.Size || _chains[head].Count == 0)
        {
            Break($"The device returned descriptor {head}, which heads no chain that it has.");
        }

        ref var chain = ref _chains[head];
        if (written > chain.WritableLength)
        {
            Break($"The device says that it wrote {written} bytes where there is room for {chain.WritableLength}.");
        }

        token = chain.Token;
        if (FreeDescriptors == 0)
        {
            _firstFree = (ushort)head;
        }
        else
        {
            _next[_lastFree] = (ushort)head;
        }

        _lastFree = chain.Last;
        FreeDescriptors += chain.Count;
        chain.Count = 0;
        _nextUsed++;
        return true;
    }

    /// <summary>Asks the device for a call at the next return. Used before sleeping.</summary>
    /// <returns>True if chains came back meanwhile: reclaim them before sleeping, no call may come for these.</returns>
    /// <exception cref="QueueException">The queue is broken.</exception>
    public bool EnableCalls()
    {
        var available = AvailableRing();
        if (_eventIndex)
        {
            LittleEndian.WriteRelease(available, RingOffset + 2 * _layout.Size, _nextUsed);
        }
        else
        {
            LittleEndian.WriteRelease(available, FlagsOffset, 0);
        }
        // Full fence: our wish is visible before we look at the index again. Pairs with the fence in DeviceQueue.MustCall.
        Thread.MemoryBarrier();
        return HasReturned;
    }

    /// <summary>Tells the device that no call is needed. Only a hint: calls may still come.</summary>
    /// <exception cref="QueueException">The queue is broken.</exception>
    public void DisableCalls()
    {
        if (!_eventIndex)
        {
            LittleEndian.WriteRelease(AvailableRing(), FlagsOffset, AvailableNoInterrupt);
        }
    }

    private void Publish(ushort head, ushort last, int count, uint writableLength, ulong token)
    {
        _firstFree = _next[last];
        FreeDescriptors -= count;
        _chains[head] = new Chain { Token = token, WritableLength = writableLength, Last = last, Count = count };
        var available = AvailableRing();
        var entry = available.Slice(RingOffset + 2 * (_nextAvailable & _mask), 2);
        if (BinaryPrimitives.ReadUInt16LittleEndian(entry) != head)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(entry, head);
        }

        _nextAvailable++;
        _addedSinceAsked++;
        // Release: descriptors and ring entry are visible before the index (2.7.13.3). Pairs with DeviceQueue.TryTake.
        LittleEndian.WriteRelease(available, IndexOffset, _nextAvailable);
    }

    private static Descriptor BufferDescriptor(ReadOnlySpan<GuestBuffer> readable, ReadOnlySpan<GuestBuffer> writable, int index, ushort next)
    {
        var write = index >= readable.Length;
        var buffer = write ? writable[index - readable.Length] : readable[index];
        var flags = write ? DescriptorFlags.Write : DescriptorFlags.None;
        return index == readable.Length + writable.Length - 1
            ? new Descriptor(buffer.Address, buffer.Length, flags, 0)
            : new Descriptor(buffer.Address, buffer.Length, flags | DescriptorFlags.Next, next);
    }

    /// <summary>Checks what the specification asks of a chain, and returns the number of writable bytes.</summary>
    private uint CheckBuffers(ReadOnlySpan<GuestBuffer> readable, ReadOnlySpan<GuestBuffer> writable)
    {
        var count = readable.Length + writable.Length;
        if (count == 0 || count > _layout.Size)
        {
            throw new ArgumentException($"A chain has 1 to {_layout.Size} buffers, not {count}.", nameof(readable));
        }

        ulong total = 0, writableLength = 0;
        foreach (var buffer in readable)
        {
            total += buffer.Length;
        }

        foreach (var buffer in writable)
        {
            writableLength += buffer.Length;
        }

        if (total + writableLength > uint.MaxValue)
        {
            throw new ArgumentException("A chain has at most 2^32 - 1 bytes.", nameof(readable));
        }

        return (uint)writableLength;
    }

    /// <summary>What the driver remembers of a chain that the device has, by its head.</summary>
    private struct Chain
    {
        internal ulong Token;
        internal uint WritableLength;
        internal ushort Last;
        // In descriptors; 0 = no chain begins here.
        internal int Count;
    }
}
