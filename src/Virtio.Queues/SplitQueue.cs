// What the two sides of a split virtqueue share: where the rings are, and that a broken queue stays broken.
using System.Diagnostics.CodeAnalysis;

namespace Virtio.Queues;

/// <summary>One side of a split virtqueue (virtio 1.2, section 2.7): <see cref="DeviceQueue"/> or <see cref="DriverQueue"/>.</summary>
public abstract class SplitQueue
{
    private protected const int FlagsOffset = 0, IndexOffset = 2, RingOffset = 4, UsedElementSize = 8;
    private protected const ushort AvailableNoInterrupt = 1, UsedNoNotify = 1;

    private protected readonly GuestMemory _memory;
    private protected readonly QueueLayout _layout;
    private protected readonly ushort _mask;
    private protected readonly bool _eventIndex, _indirect;
    private string? _broken;

    private protected SplitQueue(GuestMemory memory, QueueLayout layout, QueueFeatures features)
    {
        layout.Validate(memory);
        _memory = memory;
        _layout = layout;
        _mask = (ushort)(layout.Size - 1);
        _eventIndex = (features & QueueFeatures.EventIndex) != 0;
        _indirect = (features & QueueFeatures.IndirectDescriptors) != 0;
    }

    /// <summary>Size and addresses: what a successor needs to attach to the same rings.</summary>
    public QueueLayout Layout => _layout;

    /// <summary>Number of descriptors.</summary>
    public ushort Size => _layout.Size;

    /// <summary>
    /// Whether the other side has broken the rings, as far as this side has noticed: whatever touches them throws from then on.
    /// For a caller that looks often, so that a broken queue costs no exception at each look. Any thread.
    /// </summary>
    public bool IsBroken => Volatile.Read(ref _broken) is not null;

    private protected Span<byte> DescriptorTable() => Part("descriptor table", _layout.DescriptorTable, _layout.DescriptorTableLength);

    private protected Span<byte> AvailableRing() => Part("available ring", _layout.AvailableRing, _layout.AvailableRingLength);

    private protected Span<byte> UsedRing() => Part("used ring", _layout.UsedRing, _layout.UsedRingLength);

    [DoesNotReturn]
    private protected void Break(string message)
    {
        _broken ??= message;
        throw new QueueException(_broken);
    }

    private Span<byte> Part(string name, ulong address, uint length)
    {
        if (_broken is not null)
        {
            Break(_broken);
        }

        if (!_memory.TryGetSpan(address, length, out var part))
        {
            Break($"The {name} is not inside the memory any more.");
        }

        return part;
    }
}
