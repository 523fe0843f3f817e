// The event ring, and what waits for its buffers.
using VirtioUser.Host.Instances;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Events;

/// <summary>
/// Inside the event <see cref="Lane{T}"/> of a VM. While the guest has no buffer, or no queue is attached, events wait here; how many is
/// bounded for each instance. An ended instance has its place until its last event is gone from here, so what waits is bounded.
/// </summary>
internal sealed class EventSchedule(InstancePlaces places, HostOptions options, HostCounters counters)
{
    // What is delivered before the lane is free for a moment.
    private const int Batch = 64;

    private readonly Queue<EventItem> _waiting = new();
    private readonly List<Instance> _resumed = [];
    private readonly List<EventSender> _senders = [];
    private IEventQueue? _queue;
    private IEventQueue? _owed; // whose guest is to be told of a device's own events

    private bool HasMore => _waiting.Count > 0 && _queue is { HasMore: true };

    /// <summary>Begins to send.</summary>
    public void Attach(IEventQueue queue) => _queue = queue;

    /// <summary>When the lane is free again the queue is not touched any more, but for a signal that is on its way.</summary>
    public void Detach() => _queue = null;

    /// <summary>Whether there is room for one more answer of an instance.</summary>
    /// <returns>False if there is none: the strand is resumed when there is.</returns>
    public bool TryBeginAnswer(Instance instance)
    {
        if (instance.Backlog.Answers < options.MaxAnswersWaiting || instance.Abandoned)
        {
            return true;
        }

        instance.Backlog.AwaitsRoom = true;
        return false;
    }

    /// <summary>Sends an event that is no device's own.</summary>
    public void Post(in EventItem item, ref EventPlan plan)
    {
        if (_waiting.Count > 0 || !TryDeliver(in item))
        {
            item.Instance.Backlog.Answers += item.Kind == EventKind.Answer ? 1 : 0;
            _waiting.Enqueue(item);
        }

        plan.More = HasMore;
        plan.Signal = TakeSignal();
    }

    /// <summary>Sends a device's own event.</summary>
    /// <param name="instance">The instance.</param>
    /// <param name="revents">The device's bits.</param>
    /// <param name="mayWait">Whether the caller waits where there is no room; otherwise the event is lost, of which the guest is told.</param>
    /// <param name="sender">What the caller waits for, if it does.</param>
    /// <param name="plan">What is to be done when the lane is free.</param>
    /// <returns>Whether the event is on its way.</returns>
    public bool Send(Instance instance, uint revents, bool mayWait, out EventSender? sender, ref EventPlan plan)
    {
        sender = null;
        if (instance.SendsNoMore)
        {
            return false;
        }

        var hasRoom = instance.Backlog.OwnEvents < options.MaxOwnEventsWaiting;
        if (!hasRoom && mayWait)
        {
            if (!instance.IsEnding)
            {
                sender = new EventSender(revents);
                (instance.Backlog.Senders ??= new()).AddLast(sender);
            }

            return false;
        }

        if (hasRoom)
        {
            SendNow(instance, revents);
        }
        else
        {
            NoteLoss(instance);
        }

        _owed = MustSignal() ?? _owed;
        plan.Defer = _owed is not null || HasMore;
        return hasRoom;
    }

    /// <summary>Sends some of what waits.</summary>
    public void Deliver(ref EventPlan plan)
    {
        if (_waiting.Count == 0)
        {
            return;
        }

        plan.More = DeliverSome() || HasMore;
        plan.Signal = TakeSignal();
        TakeResumed(ref plan);
    }

    /// <summary>Takes the signal for devices' own events.</summary>
    public void TakeOwed(ref EventPlan plan) => (plan.Signal, _owed) = (_owed, null);

    /// <summary>The guest's side of an instance is gone: none of its events is delivered any more.</summary>
    public void Abandon(Instance instance, ref EventPlan plan)
    {
        instance.MarkAbandoned();
        if (instance.Backlog.AwaitsRoom)
        {
            instance.Backlog.AwaitsRoom = false;
            _resumed.Add(instance);
        }

        EndSenders(instance, ref plan);
    }

    /// <summary>Lets go whoever waits to send for an instance.</summary>
    public void EndSenders(Instance instance, ref EventPlan plan)
    {
        if (instance.Backlog.Senders is { } senders)
        {
            _senders.AddRange(senders);
            senders.Clear();
        }

        TakeResumed(ref plan);
    }

    private void SendNow(Instance instance, uint revents)
    {
        var item = OwnEvent(instance, revents);
        if (_waiting.Count > 0 || !TryDeliver(in item))
        {
            instance.Backlog.OwnEvents++;
            _waiting.Enqueue(item);
        }
    }

    private static EventItem OwnEvent(Instance instance, uint revents) =>
        new(instance, new EventMessage(instance.Handle, (revents & Revents.DeviceMask) | Revents.Unsolicited), EventKind.Own);

    private void NoteLoss(Instance instance)
    {
        counters.Add(Counter.EventsDropped);
        if (!instance.Backlog.LossReported)
        {
            instance.Backlog.LossReported = true;
            _waiting.Enqueue(new EventItem(instance, new EventMessage(instance.Handle, Revents.NoticeEventsLost), EventKind.Notice));
        }
    }

    /// <returns>Whether more can be delivered.</returns>
    private bool DeliverSome()
    {
        for (var i = 0; i < Batch; i++)
        {
            if (!_waiting.TryPeek(out var item) || !TryDeliver(in item))
            {
                return false;
            }

            _waiting.Dequeue();
            NoteDelivered(in item);
        }

        return true;
    }

    private bool TryDeliver(in EventItem item)
    {
        if (item.Kind == EventKind.End)
        {
            places.Return();
            return true;
        }

        if (item.Instance.Abandoned)
        {
            return true;
        }

        if (_queue is null || !_queue.TryPut(item.Message))
        {
            return false;
        }

        counters.AddAlone(Counter.Events);
        return true;
    }

    /// <summary>What waited has been delivered, or dropped with its instance.</summary>
    private void NoteDelivered(in EventItem item)
    {
        var backlog = item.Instance.Backlog;
        switch (item.Kind)
        {
            case EventKind.Answer:
                backlog.Answers--;
                if (backlog.AwaitsRoom)
                {
                    backlog.AwaitsRoom = false;
                    _resumed.Add(item.Instance);
                }

                break;
            case EventKind.Own:
                backlog.OwnEvents--;
                if (backlog.Senders is { First: { } first } senders)
                {
                    senders.RemoveFirst();
                    first.Value.IsSent = true;
                    backlog.OwnEvents++;
                    _waiting.Enqueue(OwnEvent(item.Instance, first.Value.Revents)); // not delivered here: that lets the next one in
                    _senders.Add(first.Value);
                }

                break;
            default:
                backlog.LossReported &= item.Message.Revents != Revents.NoticeEventsLost;
                break;
        }
    }

    private void TakeResumed(ref EventPlan plan)
    {
        if (_resumed.Count > 0)
        {
            plan.Resumed = [.. _resumed];
            _resumed.Clear();
        }

        if (_senders.Count > 0)
        {
            plan.Senders = [.. _senders];
            _senders.Clear();
        }
    }

    /// <summary>For a thread that may wait for the guest: it signals for devices' own events too, without a change of threads.</summary>
    private IEventQueue? TakeSignal()
    {
        var signal = MustSignal() ?? _owed;
        _owed = null;
        return signal;
    }

    private IEventQueue? MustSignal() => _queue is not null && _queue.MustSignal() ? _queue : null;
}
