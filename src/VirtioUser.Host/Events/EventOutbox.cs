// Sends events, from whichever thread has one.
using VirtioUser.Host.Instances;
using VirtioUser.Host.Workers;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Events;

/// <summary>
/// The events of all instances of a VM, in one order. The guest is signalled, and whoever waited for room goes on, after the lane is free.
/// </summary>
internal sealed class EventOutbox
{
    private readonly Lane<EventSchedule> _lane;
    private readonly HostOptions _options;
    private readonly HostCounters _counters;
    private readonly DeferredSignal _deferred;

    public EventOutbox(InstancePlaces places, HostOptions options, HostCounters counters, WorkerPool workers)
    {
        (_options, _counters) = (options, counters);
        _lane = new Lane<EventSchedule>(new EventSchedule(places, options, counters));
        _deferred = new DeferredSignal(this, workers);
    }

    /// <summary>Has an instance's strand go on that waited for room. Set once.</summary>
    public Action<Instance>? Resume { get; set; }

    /// <summary>Begins to send; <see cref="Pump"/> must follow on a thread that may wait for the guest.</summary>
    public void Attach(IEventQueue queue)
    {
        using var held = _lane.Enter();
        held.Inside.Attach(queue);
    }

    /// <summary>Ends sending: when this returns the queue is not touched any more, but for a signal that is on its way. Events wait.</summary>
    public void Detach()
    {
        using var held = _lane.Enter();
        held.Inside.Detach();
    }

    /// <summary>Whether there is room for the answer to an instance's next ping. For the one who runs its strand.</summary>
    /// <returns>False if there is none: the strand is resumed when there is.</returns>
    public bool TryBeginAnswer(Instance instance)
    {
        if (instance.Backlog.Answers < _options.MaxAnswersWaiting)
        {
            return true; // it stays so: only this thread adds answers
        }

        using (var held = _lane.Enter())
        {
            if (held.Inside.TryBeginAnswer(instance))
            {
                return true;
            }
        }

        _counters.Add(Counter.QueueWaits);
        return false;
    }

    /// <summary>Sends an answer, a notice of the host, or the end of an instance. Any thread that may wait for the guest.</summary>
    public void Post(Instance instance, EventMessage message, EventKind kind)
    {
        var plan = default(EventPlan);
        using (var held = _lane.Enter())
        {
            held.Inside.Post(new EventItem(instance, message, kind), ref plan);
        }

        Do(in plan);
        if (plan.More)
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
            var plan = default(EventPlan);
            using (var held = _lane.Enter())
            {
                held.Inside.Deliver(ref plan);
            }

            Do(in plan);
            more = plan.More;
        }
        while (more);
    }

    /// <summary>Signals for devices' own events, and sends what is left. On a thread that may wait for the guest.</summary>
    public void SignalOwed()
    {
        var plan = default(EventPlan);
        using (var held = _lane.Enter())
        {
            held.Inside.TakeOwed(ref plan);
        }

        Do(in plan);
        Pump();
    }

    /// <summary>The guest's side of an instance is gone: none of its events is delivered any more. Any thread.</summary>
    public void Abandon(Instance instance)
    {
        var plan = default(EventPlan);
        using (var held = _lane.Enter())
        {
            held.Inside.Abandon(instance, ref plan);
        }

        Do(in plan);
    }

    /// <summary>Lets go whoever waits to send for an instance that ends. Any thread.</summary>
    public void EndSenders(Instance instance)
    {
        var plan = default(EventPlan);
        using (var held = _lane.Enter())
        {
            held.Inside.EndSenders(instance, ref plan);
        }

        Do(in plan);
    }

    private bool Send(Instance instance, uint revents, bool mayWait, out EventSender? sender)
    {
        var plan = default(EventPlan);
        bool sent;
        using (var held = _lane.Enter())
        {
            sent = held.Inside.Send(instance, revents, mayWait, out sender, ref plan);
        }

        Do(in plan);
        return sent;
    }

    private async Task<bool> WaitAsync(Instance instance, EventSender sender, CancellationToken cancellationToken)
    {
        using var registration = cancellationToken.UnsafeRegister(
            static (state, token) =>
            {
                var (outbox, waiting, given) = ((EventOutbox, Instance, EventSender))state!;
                bool isMine;
                using (outbox._lane.Enter())
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

    private void Do(in EventPlan plan)
    {
        if (plan.Defer)
        {
            _deferred.Request();
        }

        plan.Signal?.Signal();
        foreach (var instance in plan.Resumed ?? [])
        {
            Resume!(instance);
        }

        foreach (var sender in plan.Senders ?? [])
        {
            sender.Finish();
        }
    }
}
