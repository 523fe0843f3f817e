// Virtqueue 3 as the device model wants it.
using System.Runtime.InteropServices;
using Virtio.Queues;
using Virtio.VhostUser;
using VirtioUser.Daemon.Trying;
using VirtioUser.Host;
using VirtioUser.Host.Events;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon;

/// <summary>Writes the 12 bytes of an event into the next buffer of the driver.</summary>
/// <param name="started">The queue.</param>
/// <param name="faults">Told when the driver has broken the rings.</param>
/// <param name="counters">Where buffers that are too small are counted.</param>
/// <param name="trace">Shows each event; null if nobody asked for it.</param>
internal sealed class EventQueue(StartedQueue started, QueueFaults faults, HostCounters counters, Trace? trace) : IEventQueue
{
    // What one attempt reads, in sizes of the queue. Each chain can be as long as the queue, so the chains of a ring of 32768
    // have 2^30 descriptors, and whoever detaches the queue waits for the attempt.
    private const int SizesATurn = 4;

    private readonly DeviceQueue _queue = started.Queue;
    private bool _armed = true;

    /// <inheritdoc/>
    public bool HasMore { get; private set; }

    /// <inheritdoc/>
    public bool TryPut(in EventMessage message)
    {
        HasMore = false;
        if (_queue.IsBroken)
        {
            return false; // without an exception each time: the guest decides how often this is tried
        }

        try
        {
            // Buffers that can not hold an event go back unused; a driver that only posts such is not waited for.
            for (var budget = SizesATurn * _queue.Size; budget > 0;)
            {
                if (!_queue.TryTake(out var chain))
                {
                    if (WaitsForKick())
                    {
                        return false;
                    }

                    budget--; // an index that goes back and forth has no end either
                    continue;
                }

                budget -= chain.DescriptorCount;
                if (_armed)
                {
                    _armed = false;
                    _queue.DisableKicks();
                }

                var fits = chain.Error == ChainError.None && chain.WritableLength >= EventMessage.Size;
                _queue.Return(chain.Head, fits ? (uint)chain.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<EventMessage>(in message))) : 0);
                if (fits)
                {
                    trace?.Event(in message);
                    return true;
                }

                counters.Add(Counter.MessagesRejected);
            }

            HasMore = !WaitsForKick(); // no kick comes for buffers that are there already
        }
        catch (QueueException e)
        {
            faults.Report(started, e);
        }

        return false;
    }

    /// <inheritdoc/>
    public bool MustSignal() => faults.MustCall(started);

    /// <inheritdoc/>
    public void Signal() => started.Call.Signal();

    /// <summary>Asks to be kicked for the next buffer.</summary>
    /// <returns>False if one has come meanwhile.</returns>
    private bool WaitsForKick()
    {
        _armed = true;
        return !_queue.EnableKicks();
    }
}
