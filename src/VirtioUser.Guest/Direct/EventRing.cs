// The event queue as its driver works it.
using System.Runtime.InteropServices;
using Virtio.Queues;
using Virtio.VhostUser;
using VirtioUser.Protocol;

namespace VirtioUser.Guest.Direct;

/// <summary>Keeps every buffer posted and takes events out. For one thread at a time; allocates nothing.</summary>
internal sealed class EventRing
{
    // A message has 12 bytes; so no two of them share 16.
    private const uint Stride = 16;

    private readonly RemoteQueue _queue;
    private readonly DriverMemory _memory;
    private readonly GuestBuffer _buffers;

    // Buffers that were posted since the host was told of any.
    private int _untold;

    public EventRing(RemoteQueue queue, DriverMemory memory)
    {
        (_queue, _memory) = (queue, memory);
        _buffers = memory.Allocate(Stride * queue.Driver.Size);
        for (uint slot = 0; slot < queue.Driver.Size; slot++)
        {
            Post(slot);
        }

        queue.KickIfWanted();
    }

    /// <summary>Whether an event is there to take.</summary>
    /// <exception cref="QueueException">The host broke the queue.</exception>
    public bool HasNext => _queue.Driver.HasReturned;

    /// <summary>Takes the next event, copied once, and posts its buffer again. What is no event comes as one of nobody.</summary>
    /// <returns>False if there is none.</returns>
    /// <exception cref="QueueException">The host broke the queue.</exception>
    public bool TryTake(out EventMessage message)
    {
        message = default;
        if (!_queue.Driver.TryReclaim(out var slot, out var written))
        {
            return false;
        }

        if (written == EventMessage.Size)
        {
            message = MemoryMarshal.Read<EventMessage>(_memory.GetSpan(Buffer((uint)slot)));
        }

        Post((uint)slot);

        // A host that waits for buffers has used all of them: there is time until a part of these is posted again.
        if (++_untold >= _queue.Driver.Size / 4)
        {
            Tell();
        }

        return true;
    }

    /// <summary>Asks for a call at the next event.</summary>
    /// <returns>False if an event has come meanwhile.</returns>
    public bool TryArm()
    {
        Tell();
        return !_queue.Driver.EnableCalls();
    }

    private void Tell()
    {
        if (_untold > 0)
        {
            _queue.KickIfWanted();
        }

        _untold = 0;
    }

    private GuestBuffer Buffer(uint slot) => new(_buffers.Address + slot * Stride, EventMessage.Size);

    private void Post(uint slot) => _queue.Driver.TryAdd([], [Buffer(slot)], slot);
}
