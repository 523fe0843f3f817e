// Virtqueue 3 as the device model wants it.
using System.Runtime.InteropServices;
using Virtio.Queues;
using Virtio.VhostUser;
using VirtioUser.Host;
using VirtioUser.Host.Events;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon;

/// <summary>Writes the 12 bytes of an event into the next buffer of the driver.</summary>
/// <param name="started">The queue.</param>
/// <param name="faults">Told when the driver has broken the rings.</param>
/// <param name="counters">Where buffers that are too small are counted.</param>
internal sealed class EventQueue(StartedQueue started, QueueFaults faults, HostCounters counters) : IEventQueue
{
    private readonly DeviceQueue _queue = started.Queue;
    private bool _armed = true;

    /// <inheritdoc/>
    public bool TryPut(in EventMessage message)
    {
        try
        {
            // Buffers that can not hold an event go back unused; a driver that only posts such is not waited for.
            for (var tries = 0; tries <= _queue.Size; tries++)
            {
                if (!_queue.TryTake(out var chain))
                {
                    if (WaitsForKick())
                    {
                        return false;
                    }

                    continue;
                }

                if (_armed)
                {
                    _armed = false;
                    _queue.DisableKicks();
                }

                var fits = chain.Error == ChainError.None && chain.WritableLength >= EventMessage.Size;
                _queue.Return(chain.Head, fits ? (uint)chain.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<EventMessage>(in message))) : 0);
                if (fits)
                {
                    return true;
                }

                counters.Add(Counter.MessagesRejected);
            }

            WaitsForKick();
        }
        catch (QueueException e)
        {
            faults.Report(started, e);
        }

        return false;
    }

    /// <inheritdoc/>
    public void Signal() => started.CallIfWanted(faults);

    /// <summary>Asks to be kicked for the next buffer.</summary>
    /// <returns>False if one has come meanwhile.</returns>
    private bool WaitsForKick()
    {
        Signal(); // buffers that went back unused: nobody else tells the driver of these
        _armed = true;
        return !_queue.EnableKicks();
    }
}
