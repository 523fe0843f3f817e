// How the device's side reads a chain: copied once, checked, then used.
namespace Virtio.Queues;

public sealed partial class DeviceQueue
{
    // The buffers of the chain that was taken last; readable ones first. A chain cannot have more than the queue has
    // descriptors, so that this never grows.
    private readonly GuestBuffer[] _buffers;
    private int _bufferCount, _readableCount, _descriptorCount;
    private ulong _readableLength, _writableLength;
    // Counts the takes, so that a chain that is used too late is noticed.
    private ulong _take;

    /// <summary>Copies the descriptors of a chain into <see cref="_buffers"/>, with every check that section 2.7.5 asks for.</summary>
    private ChainError Walk(ushort head)
    {
        ForgetBuffers();
        _descriptorCount = 0;
        var table = DescriptorTable();
        int tableSize = _layout.Size;
        var inIndirect = false;
        var index = head;
        while (true)
        {
            var descriptor = Descriptor.Read(table, index);
            _descriptorCount++;
            if ((descriptor.Flags & DescriptorFlags.Indirect) != 0)
            {
                var wrong = EnterIndirect(descriptor, inIndirect, out table);
                if (wrong != ChainError.None)
                {
                    return wrong;
                }

                tableSize = table.Length / Descriptor.Size;
                inIndirect = true;
                index = 0;
                continue;
            }
            var error = Append(descriptor);
            if (error != ChainError.None)
            {
                return error;
            }

            if ((descriptor.Flags & DescriptorFlags.Next) == 0)
            {
                return ChainError.None;
            }

            if (descriptor.Next >= tableSize)
            {
                return ChainError.NextOutOfRange;
            }

            index = descriptor.Next;
        }
    }

    private void ForgetBuffers()
    {
        _bufferCount = _readableCount = 0;
        _readableLength = _writableLength = 0;
    }

    private ChainError EnterIndirect(Descriptor descriptor, bool inIndirect, out Span<byte> table)
    {
        table = default;
        if (!_indirect)
        {
            return ChainError.IndirectNotNegotiated;
        }

        if (inIndirect)
        {
            return ChainError.IndirectNested;
        }

        if ((descriptor.Flags & DescriptorFlags.Next) != 0)
        {
            return ChainError.IndirectWithNext;
        }

        if (descriptor.Length == 0 || descriptor.Length % Descriptor.Size != 0 || descriptor.Length > _layout.DescriptorTableLength)
        {
            return ChainError.IndirectLength;
        }

        return _memory.TryGetSpan(descriptor.Address, descriptor.Length, out table) ? ChainError.None : ChainError.IndirectOutsideMemory;
    }

    private ChainError Append(Descriptor descriptor)
    {
        if (_bufferCount == _buffers.Length)
        {
            return ChainError.TooLong;
        }

        if (!_memory.TryGetSpan(descriptor.Address, descriptor.Length, out _))
        {
            return ChainError.BufferOutsideMemory;
        }

        if ((descriptor.Flags & DescriptorFlags.Write) != 0)
        {
            _writableLength += descriptor.Length;
        }
        else
        {
            if (_readableCount != _bufferCount)
            {
                return ChainError.ReadableAfterWritable;
            }

            _readableCount++;
            _readableLength += descriptor.Length;
        }
        _buffers[_bufferCount++] = new GuestBuffer(descriptor.Address, descriptor.Length);
        return _readableLength + _writableLength > uint.MaxValue ? ChainError.TooManyBytes : ChainError.None;
    }

    internal int CopyReadable(ulong take, Span<byte> destination)
    {
        CheckCurrent(take);
        var copied = 0;
        for (var i = 0; i < _readableCount && copied < destination.Length; i++)
        {
            var length = (int)Math.Min(_buffers[i].Length, (uint)(destination.Length - copied));
            Buffer(i, length).CopyTo(destination[copied..]);
            copied += length;
        }
        return copied;
    }

    internal int WriteWritable(ulong take, ReadOnlySpan<byte> source)
    {
        CheckCurrent(take);
        var written = 0;
        for (var i = _readableCount; i < _bufferCount && written < source.Length; i++)
        {
            var length = (int)Math.Min(_buffers[i].Length, (uint)(source.Length - written));
            source.Slice(written, length).CopyTo(Buffer(i, length));
            written += length;
        }
        return written;
    }

    private Span<byte> Buffer(int index, int length)
    {
        // Checked when the chain was taken; the memory can have been exchanged since.
        if (!_memory.TryGetSpan(_buffers[index].Address, (uint)length, out var bytes))
        {
            Break("A buffer is not inside the memory any more.");
        }

        return bytes;
    }

    private void CheckCurrent(ulong take)
    {
        if (take != _take)
        {
            throw new InvalidOperationException("The chain is not the one that was taken last.");
        }
    }
}
