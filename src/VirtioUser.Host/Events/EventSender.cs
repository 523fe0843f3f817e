// Puts events on the event queue, from whichever thread has one.
using VirtioUser.Host.Instances;
using VirtioUser.Host.Pings;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Events;

/// <summary>
/// Events of all instances in one order; the bounds are kept for each instance where events are made. While
/// the guest has no buffer, or no queue is attached, they wait here. An ended instance counts as one of the
/// <see cref="HostOptions.MaxInstances"/> until its last event is gone from here, so what waits is bounded.
/// </summary>
internal sealed class EventSender(PingTable pings, InstanceTable instances, HostCounters counters) : Combiner<EventItem>
{
    private IEventQueue? _queue;
    private bool _unsignalled;

    /// <summary>Begins to send. The sender is suspended until then.</summary>
    public void Attach(IEventQueue queue)
    {
        _queue = queue;
        Resume();
    }

    /// <summary>Ends sending: when this returns the queue is not touched any more.</summary>
    public void Detach()
    {
        Suspend();
        _queue = null;
    }

    /// <inheritdoc/>
    protected override bool TryHandle(in EventItem item)
    {
        if (item.IsFarewell)
        {
            instances.ReturnSlot(item.Instance);
            return true;
        }

        if (!item.Instance.Abandoned)
        {
            if (!_queue!.TryPut(new EventMessage(item.Handle, item.Revents)))
            {
                return false;
            }

            _unsignalled = true;
            counters.Add(Counter.Events);
        }

        if (item.PingSlot >= 0)
        {
            pings.Release(item.PingSlot);
            item.Instance.AnswerDelivered();
        }
        else
        {
            item.Instance.OwnEventDelivered(item.Revents);
        }

        return true;
    }

    /// <inheritdoc/>
    protected override void Flush()
    {
        if (_unsignalled)
        {
            _unsignalled = false;
            _queue!.Signal();
        }
    }
}
