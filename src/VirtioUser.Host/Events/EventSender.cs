// Puts events on the event queue, from whichever thread has one.
using VirtioUser.Host.Instances;
using VirtioUser.Host.Pings;
using VirtioUser.Host.State;
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

    /// <summary>Begins to send, on other threads than this one. The sender is suspended until then.</summary>
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

    /// <summary>Answers a ping. Any thread; one at a time for each instance.</summary>
    /// <param name="instance">The instance, or the stranger.</param>
    /// <param name="slot">The row of the ping. As long as the answer waits here, the row has two holders.</param>
    /// <param name="row">The row itself.</param>
    /// <param name="revents">The answer.</param>
    /// <param name="signal">Whether to tell the guest at once; if not, <see cref="Combiner{T}.Pump"/> or the next answer does.</param>
    public void Answer(Instance instance, int slot, ref PingRow row, uint revents, bool signal = true)
    {
        row.Revents = revents;
        Volatile.Write(ref row.State, PingState.Answered);
        if (TryBeginTurn())
        {
            bool delivered;
            try
            {
                delivered = TryDeliver(instance, new EventMessage(row.Message.InstanceHandle, revents));
            }
            catch
            {
                LeaveTurn(mayWait: true);
                throw;
            }

            EndTurn(signal);
            if (delivered)
            {
                return;
            }
        }

        pings.Hold(slot);
        instance.AnswerQueued();
        Post(new EventItem(instance, row.Message.InstanceHandle, revents, slot));
    }

    /// <inheritdoc/>
    protected override bool TryHandle(in EventItem item)
    {
        if (item.IsFarewell)
        {
            instances.ReturnSlot(item.Instance);
            return true;
        }

        if (!TryDeliver(item.Instance, new EventMessage(item.Handle, item.Revents)))
        {
            return false;
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

    private bool TryDeliver(Instance instance, EventMessage message)
    {
        if (instance.Abandoned)
        {
            return true;
        }

        if (!_queue!.TryPut(in message))
        {
            return false;
        }

        _unsignalled = true;
        counters.AddAlone(Counter.Events);
        return true;
    }

    /// <inheritdoc/>
    protected override void Flush()
    {
        if (_unsignalled)
        {
            _queue!.Signal();
            _unsignalled = false;
        }
    }
}
