// Who runs which ping when: the ring, and what is in line behind it.
using System.Diagnostics;
using Virtio.Queues;
using VirtioUser.Host.Instances;

namespace VirtioUser.Host.Pings;

/// <summary>
/// Inside the ping <see cref="Lane{T}"/> of a VM. Whoever holds the lane takes pings from the ring, puts each on the strand of its
/// instance, and takes a strand to run.
/// </summary>
/// <remarks>
/// A ping never waits for a callback of another instance: a thread goes into a callback only when the ring is empty and kicks are
/// asked for again, or another thread has been called. At most one call is outstanding, and who is called calls the next.
/// </remarks>
internal sealed class PingSchedule(HostOptions options, HostCounters counters)
{
    // Descriptors that are read before the lane is free for a moment. A chain can be as long as the ring, and is read to its end.
    private const int Batch = 64;

    // Pings that the host keeps without their ring entries, of all instances together.
    private const int MaxKept = 4096;

    private readonly List<ushort> _owed = []; // entries of the present driver's ring, to be given back when it runs again
    private readonly AdaptiveSpin _polling = new(options.MaxPollTime);
    private IPingQueue? _queue;
    private bool _armed; // kicks were asked for, and nothing was taken since
    private bool _isKicked; // since then somebody came for a kick, which may have been the only one
    private PendingPing? _free;
    private Instance? _firstReady;
    private Instance? _lastReady;
    private int _kept;
    private bool _isCalled;
    private bool _isPolled;
    private long _quietSince; // when the wait for the next ping began; 0 when there is none

    /// <summary>The present driver.</summary>
    public DriverSession Driver { get; private set; } = new();

    /// <summary>How many pings were taken and are not finished.</summary>
    public int Unfinished { get; private set; }

    /// <summary>How many threads work.</summary>
    public int Workers { get; private set; }

    /// <summary>Begins to take pings from a ring. A thread must be called.</summary>
    public void Attach(IPingQueue queue)
    {
        (_queue, _armed) = (queue, false);
        foreach (var head in _owed)
        {
            queue.Return(head);
        }

        _owed.Clear();
    }

    /// <summary>Ends taking: when the lane is free again the queue is not touched any more, but for a signal that is on its way.</summary>
    public void Detach() => _queue = null;

    /// <summary>Drops the present driver: its ring entries mean nothing to the next one.</summary>
    /// <returns>The driver that is gone; whoever calls ends its instances.</returns>
    public DriverSession ReplaceDriver()
    {
        var former = Driver;
        Driver = new DriverSession();
        _owed.Clear();
        return former;
    }

    /// <summary>Asks for the end of an instance, after the pings that are in line.</summary>
    /// <returns>Whether a thread must be called.</returns>
    public bool RequestEnd(Instance instance)
    {
        var strand = instance.Strand;
        if (strand.MustEnd)
        {
            return false;
        }

        strand.MustEnd = true;
        if (strand.IsBusy)
        {
            return false;
        }

        strand.IsBusy = true;
        return Resume(instance);
    }

    /// <summary>A strand that waited without a thread goes on.</summary>
    /// <returns>Whether a thread must be called.</returns>
    public bool Resume(Instance instance)
    {
        AddReady(instance);
        return TryCall();
    }

    /// <summary>A thread begins to work, until <see cref="LanePlan.IsOver"/>.</summary>
    /// <param name="wasCalled">Whether it comes because it was called, and not for a kick.</param>
    /// <returns>False if there are too many: one of these looks again.</returns>
    public bool TryBegin(bool wasCalled)
    {
        if (wasCalled)
        {
            _isCalled = false;
        }
        else
        {
            _isKicked = true;
        }

        if (Workers >= options.MaxWorkers)
        {
            return false;
        }

        Workers++;
        if (_quietSince != 0 && _queue is { HasNext: true })
        {
            _polling.NoteWait(Stopwatch.GetTimestamp() - _quietSince);
            _quietSince = 0;
        }

        return true;
    }

    /// <summary>Takes what is in the ring, and an instance to run; or says what else there is to do.</summary>
    /// <param name="mayPoll">Whether the thread is ready to look for the next ping again and again.</param>
    /// <param name="plan">What is to be done when the lane is free.</param>
    public void Plan(bool mayPoll, ref LanePlan plan)
    {
        var isEmpty = TakeFromRing();
        if (TakeReady() is { } next)
        {
            plan.Next = next;
            plan.Call = !MayLeave(isEmpty) && TryCall();
            next.Strand.AsksForKicks = _armed && Shortcuts.TakesBackKicks;
        }
        else if (isEmpty)
        {
            End(mayPoll, ref plan);
        }

        plan.Signal = _queue is not null && _queue.MustSignal() ? _queue : null;
    }

    /// <summary>
    /// A thread has come back from the last callback of its turn: it answers, and then looks at the ring again, with no device's code
    /// between. So no kick is needed for what the guest sends as soon as it has the answer; one would wake another thread for it.
    /// </summary>
    public void ComeBack()
    {
        if (_armed && _queue is not null)
        {
            _queue.DisarmKick();
            _armed = false;
        }
    }

    /// <summary>Takes some of what is in the ring, for a thread that runs none of it.</summary>
    /// <param name="call">Whether a thread must be called.</param>
    /// <returns>Whether that was all.</returns>
    public bool Take(out bool call)
    {
        var before = Unfinished;
        var isEmpty = TakeFromRing();
        call = Unfinished != before && TryCall(); // who comes runs them, and tells the guest of entries that came back
        return isEmpty;
    }

    /// <summary>Looks once more, for the thread that polls.</summary>
    /// <param name="isLast">Whether it does not want to look again.</param>
    /// <param name="ticks">How long it has looked, as of the last look at the clock.</param>
    /// <returns>Whether the thread must go on with <see cref="Plan"/>.</returns>
    public bool Poll(bool isLast, long ticks)
    {
        var found = _queue is { HasNext: true } || _firstReady is not null;
        if (!found && !isLast && _queue is not null)
        {
            return false;
        }

        _isPolled = false;
        counters.AddAlone(found ? Counter.PollHits : Counter.PollMisses);
        if (found)
        {
            _polling.NoteHit(ticks);
            _quietSince = 0;
        }

        return true;
    }

    /// <summary>A strand's turn is over. It goes behind the others that have work.</summary>
    public void Finish(Instance instance)
    {
        var strand = instance.Strand;
        while (strand.TryTakeFinished(out var ping))
        {
            Drop(strand, ping);
        }

        if (strand.Waiting > 0 || strand.MustEnd)
        {
            AddReady(instance);
        }
        else
        {
            strand.IsBusy = false;
        }
    }

    /// <summary>Takes a batch of pings.</summary>
    /// <returns>Whether that was all.</returns>
    private bool TakeFromRing()
    {
        if (_queue is null)
        {
            return true;
        }

        if (_armed)
        {
            if (!_queue.HasNext)
            {
                return true;
            }

            _queue.DisarmKick();
            _armed = false;
        }

        for (var budget = Batch; budget > 0;)
        {
            var ping = _free ?? new PendingPing();
            var take = _queue.TryTake(ref ping.Message, out var head, ref budget);
            if (take == PingTake.Empty)
            {
                _free = ping;
                return true;
            }

            (_free, ping.Next) = (ping.Next, null);
            (ping.Head, ping.Driver, ping.IsMalformed) = (head, Driver, take == PingTake.Malformed);
            if (!ping.IsMalformed)
            {
                counters.AddAlone(Counter.Pings);
            }

            Place(_queue, ping, head);
        }

        return !_queue.HasNext;
    }

    private void Place(IPingQueue queue, PendingPing ping, ushort head)
    {
        if (ping.IsMalformed || !Driver.TryFind(ping.Message.InstanceHandle, out var instance))
        {
            instance = Driver.Unknown;
        }

        var strand = instance.Strand;
        strand.Add(ping);
        Unfinished++;
        if (strand.Kept < options.MaxPingsKept && _kept < MaxKept)
        {
            // The host keeps the ping, so that what is slow does not fill the ring.
            queue.Return(head);
            ping.Head = null;
            strand.Kept++;
            _kept++;
        }

        if (!strand.IsBusy)
        {
            strand.IsBusy = true;
            AddReady(instance);
        }
    }

    /// <summary>Whether a thread may go into a callback and call no other: no instance is ready, and nothing can come unnoticed.</summary>
    private bool MayLeave(bool isEmpty) => _firstReady is null && (_queue is null || _isPolled || (isEmpty && Arm(_queue)));

    private bool Arm(IPingQueue queue)
    {
        if (_armed && !_isKicked)
        {
            return true;
        }

        (_armed, _isKicked) = (true, false);
        return queue.ArmKick();
    }

    private void End(bool mayPoll, ref LanePlan plan)
    {
        if (_queue is not null && !_isPolled)
        {
            if (mayPoll && _polling.Ticks > 0)
            {
                if (_armed)
                {
                    _queue.DisarmKick(); // it is seen without
                    _armed = false;
                }

                _isPolled = true;
                plan.PollTicks = _polling.Ticks;
                _quietSince = Stopwatch.GetTimestamp();
                return;
            }

            if (!Arm(_queue))
            {
                return;
            }
        }

        plan.IsOver = true;
        if (--Workers == 0)
        {
            counters.AddAlone(Counter.Sleeps);
            _quietSince = _quietSince != 0 || !_polling.IsEnabled ? _quietSince : Stopwatch.GetTimestamp();
        }
    }

    /// <summary>Whether the caller must call a thread: none is on its way, and none looks at the ring all the time.</summary>
    private bool TryCall()
    {
        if (_isCalled || _isPolled || Workers >= options.MaxWorkers)
        {
            return false;
        }

        _isCalled = true;
        return true;
    }

    private void AddReady(Instance instance)
    {
        if (_lastReady is null)
        {
            _firstReady = instance;
        }
        else
        {
            _lastReady.Strand.NextReady = instance;
        }

        _lastReady = instance;
    }

    private Instance? TakeReady()
    {
        if (_firstReady is not { } instance)
        {
            return null;
        }

        var strand = instance.Strand;
        _firstReady = strand.NextReady;
        strand.NextReady = null;
        if (_firstReady is null)
        {
            _lastReady = null;
        }

        if (strand.Current is null && strand.Waiting > 0 && instance.Step.Kind == AsyncKind.None)
        {
            strand.BeginTurn(Shortcuts.PingsOfATurn);
        }

        return instance;
    }

    private void Drop(Strand strand, PendingPing ping)
    {
        if (ping.Head is not { } head)
        {
            strand.Kept--;
            _kept--;
        }
        else if (ping.Driver == Driver)
        {
            if (_queue is null)
            {
                _owed.Add(head);
            }
            else
            {
                _queue.Return(head);
            }
        }

        Unfinished--;
        (ping.Head, ping.Driver, ping.Next) = (null, null, _free);
        _free = ping;
    }
}
