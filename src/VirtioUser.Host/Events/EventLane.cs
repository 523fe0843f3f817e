// Puts events on the event queue, from whichever thread has one.
using VirtioUser.Host.Instances;
using VirtioUser.Host.Workers;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Events;

/// <summary>
/// Events of all instances in one order. A lock around the event ring, held while an event is written and never while the
/// guest is signalled. While the guest has no buffer, or no queue is attached, events wait here; how many is bounded for each
/// instance. An ended instance has its place until its last event is gone from here, so what waits is bounded.
/// </summary>
internal sealed class EventLane
{
    // What is delivered before the lock is free for a moment.
    private const int Batch = 64;

    private readonly Lock _lock = new();
    private readonly Queue<EventItem> _waiting = new();
    private readonly List<Instance> _resumed = [];
    private readonly List<EventSender> _senders = [];
    private readonly InstancePlaces _places;
    private readonly HostOptions _options;
    private readonly HostCounters _counters;
    private readonly DeferredSignal _deferred;
    private IEventQueue? _queue;
    private IEventQueue? _owed; // whose guest is to be told of a device's own events

    public EventLane(InstancePlaces places, HostOptions options, HostCounters counters, WorkerPool workers)
    {
        (_places, _options, _counters) = (places, options, counters);
        _deferred = new DeferredSignal(this, workers);
    }

    /// <summary>Has an instance's strand go on that waited for room. Set once.</summary>
    public Action<Instance>? Resume { get; set; }

    /// <summary>Begins to send; <see cref="Pump"/> must follow on a thread that may wait for the guest.</summary>
    public void Attach(IEventQueue queue)
    {
        lock (_lock)
        {
            _queue = queue;
        }

        Seam.Pass();
    }

    /// <summary>Ends sending: when this returns the queue is not touched any more. Events wait.</summary>
    public void Detach()
    {
        lock (_lock)
        {
            _queue = null;
        }

        Seam.Pass();
    }

    /// <summary>Whether there is room for the answer to an instance's next ping. For the one who runs its strand.</summary>
    /// <returns>False if there is none: the strand is resumed when there is.</returns>
    public bool TryBeginAnswer(Instance instance)
    {
        if (instance.Backlog.Answers < _options.MaxAnswersWaiting)
        {
            return true; // it stays so: only this thread adds answers
        }

        lock (_lock)
        {
            if (instance.Backlog.Answers < _options.MaxAnswersWaiting || instance.Abandoned)
            {
                return true;
            }

            instance.Backlog.AwaitsRoom = true;
        }

        Seam.Pass();

        _counters.Add(Counter.QueueWaits);
        return false;
    }

    /// <summary>Sends an answer, a notice of the host, or the end of an instance. Any thread.</summary>
    public void Post(Instance instance, EventMessage message, EventKind kind)
    {
        IEventQueue? signal;
        bool more;
        lock (_lock)
        {
            var item = new EventItem(instance, message, kind);
            if (_waiting.Count > 0 || !TryDeliver(in item))
            {
                instance.Backlog.Answers += kind == EventKind.Answer ? 1 : 0;
                _waiting.Enqueue(item);
            }

            more = HasMore;
            signal = TakeSignal();
        }

        Seam.Pass();
        signal?.Signal();
        if (more)
        {
            Pump();
        }
    }

    /// <summary>Sends an event that no ping asked for. Any thread; waits for nothing, since other VMs may wait for this thread.</summary>
    /// <returns>False if there was no room, of which the guest is told, or the instance has ended.</returns>
    public bool TrySend(Instance instance, uint revents) => Send(instance, revents, mayWait: false, out _);

    /// <summary>The same, but the task waits for room. Any thread.</summary>
    /// <returns>False if the instance ends, or has ended.</returns>
    /// <exception cref="OperationCanceledException">Cancelled; nothing was sent.</exception>
    public ValueTask<bool> SendAsync(Instance instance, uint revents, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<bool>(cancellationToken);
        }

        var sent = Send(instance, revents, mayWait: true, out var sender);
        return sender is null ? new ValueTask<bool>(sent) : new ValueTask<bool>(WaitAsync(instance, sender, cancellationToken));
    }

    /// <summary>Tries again to send what waits. On a thread that may wait for the guest.</summary>
    public void Pump()
    {
        bool more;
        do
        {
            IEventQueue? signal;
            Instance[] resumed;
            EventSender[] senders;
            lock (_lock)
            {
                if (_waiting.Count == 0)
                {
                    return;
                }

                more = DeliverSome() || HasMore;
                signal = TakeSignal();
                (resumed, senders) = TakeResumed();
            }

            Seam.Pass();
            signal?.Signal();
            Wake(resumed, senders);
        }
        while (more);
    }

    /// <summary>Signals for devices' own events, and sends what is left. On a thread that may wait for the guest.</summary>
    public void SignalOwed()
    {
        IEventQueue? signal;
        lock (_lock)
        {
            (signal, _owed) = (_owed, null);
        }

        Seam.Pass();
        signal?.Signal();
        Pump();
    }

    /// <summary>The guest's side of an instance is gone: none of its events is delivered any more. Any thread.</summary>
    public void Abandon(Instance instance)
    {
        Instance[] resumed;
        EventSender[] senders;
        lock (_lock)
        {
            instance.MarkAbandoned();
            Release(instance);
            (resumed, senders) = TakeResumed();
        }

        Seam.Pass();
        Wake(resumed, senders);
    }

    /// <summary>Lets go whoever waits to send for an instance that ends. Any thread.</summary>
    public void EndSenders(Instance instance)
    {
        EventSender[] senders;
        lock (_lock)
        {
            ReleaseSenders(instance);
            (_, senders) = TakeResumed();
        }

        Seam.Pass();
        Wake([], senders);
    }

    private bool HasMore => _waiting.Count > 0 && _queue is { HasMore: true };

    private bool Send(Instance instance, uint revents, bool mayWait, out EventSender? sender)
    {
        bool sent, mustDefer;
        sender = null;
        lock (_lock)
        {
            if (instance.SendsNoMore)
            {
                return false;
            }

            var hasRoom = instance.Backlog.OwnEvents < _options.MaxOwnEventsWaiting;
            if (!hasRoom && mayWait)
            {
                if (!instance.IsEnding)
                {
                    sender = new EventSender(revents);
                    (instance.Backlog.Senders ??= new()).AddLast(sender);
                }

                return false;
            }

            sent = hasRoom;
            if (hasRoom)
            {
                SendNow(instance, revents);
            }
            else
            {
                NoteLoss(instance);
            }

            _owed = MustSignal() ?? _owed;
            mustDefer = _owed is not null || HasMore;
        }

        Seam.Pass();
        if (mustDefer)
        {
            _deferred.Request();
        }

        return sent;
    }

    private async Task<bool> WaitAsync(Instance instance, EventSender sender, CancellationToken cancellationToken)
    {
        using var registration = cancellationToken.UnsafeRegister(
            static (state, token) =>
            {
                var (lane, waiting, given) = ((EventLane, Instance, EventSender))state!;
                bool isMine;
                lock (lane._lock)
                {
                    isMine = waiting.Backlog.Senders!.Remove(given);
                }

                if (isMine)
                {
                    given.Cancel(token);
                }
            },
            (this, instance, sender));
        return await sender.Over.ConfigureAwait(false);
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
        _counters.Add(Counter.EventsDropped);
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
            _places.Return();
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

        _counters.AddAlone(Counter.Events);
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

    private void Release(Instance instance)
    {
        if (instance.Backlog.AwaitsRoom)
        {
            instance.Backlog.AwaitsRoom = false;
            _resumed.Add(instance);
        }

        ReleaseSenders(instance);
    }

    private void ReleaseSenders(Instance instance)
    {
        if (instance.Backlog.Senders is { } senders)
        {
            _senders.AddRange(senders);
            senders.Clear();
        }
    }

    private (Instance[] Resumed, EventSender[] Senders) TakeResumed()
    {
        if (_resumed.Count == 0 && _senders.Count == 0)
        {
            return ([], []);
        }

        (Instance[], EventSender[]) taken = ([.. _resumed], [.. _senders]);
        _resumed.Clear();
        _senders.Clear();
        return taken;
    }

    private void Wake(Instance[] resumed, EventSender[] senders)
    {
        foreach (var instance in resumed)
        {
            Resume!(instance);
        }

        foreach (var sender in senders)
        {
            sender.Finish();
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
