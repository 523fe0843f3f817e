// The threads of the ping queue: one leads, others stand by for when a callback takes long.
using Microsoft.Extensions.Logging;
using VirtioUser.Host.Events;
using VirtioUser.Host.Instances;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Pings;

/// <summary>
/// The leader takes pings from the queue and runs the callbacks itself, so a ping costs no hand-over. When a
/// callback keeps it longer than <see cref="HostOptions.LeaderPatience"/>, the watchdog makes another thread
/// the leader; the old one stays with its instance until nothing is left there, then stands by. So a slow
/// instance holds up nobody but itself, and the number of threads is the number of slow instances plus a few.
/// </summary>
internal sealed class PingPump : IDisposable
{
    private const int MaxStandingBy = 4;
    private const int QuietTicks = 64;

    private readonly IQueueWaiter _waiter;
    private readonly PingTable _pings;
    private readonly PingReturns _returns;
    private readonly PingRunner _runner;
    private readonly EventSender _events;
    private readonly InstanceTable _instances;
    private readonly HostCounters _counters;
    private readonly GuestLog _guestLog;
    private readonly ILogger _logger;
    private readonly TimeSpan _patience;

    // Who may touch the taking side of the queue: 0 nobody at it, 1 the leader, 2 closed.
    private const int GateOpen = 0, GateTaken = 1, GateClosed = 2;
    private readonly ManualResetEventSlim _opened = new(false);
    private int _gate = GateClosed;
    private IPingQueue? _queue;

    // Odd while the leader is in a callback. Only the leader goes from even to odd; from odd to even goes
    // the leader when it comes back, or the watchdog when it makes another the leader: whoever is first.
    private long _callbacks;

    private readonly Lock _threadLock = new();
    private readonly SemaphoreSlim _promotions = new(0);
    private readonly AutoResetEvent _watch = new(false);
    private int _watchdogSleeps;
    private int _standingBy;
    private int _rowsAwaited;
    private int _spareSlot = -1;
    private volatile bool _stopping;

    public PingPump(
        IQueueWaiter waiter, PingTable pings, PingReturns returns, PingRunner runner, EventSender events,
        InstanceTable instances, HostCounters counters, HostOptions options, GuestLog guestLog, ILogger logger)
    {
        (_waiter, _pings, _returns, _runner, _events) = (waiter, pings, returns, runner, events);
        (_instances, _counters, _guestLog, _logger) = (instances, counters, guestLog, logger);
        _patience = options.LeaderPatience;
        _pings.RowFreed = OnRowFreed;
    }

    /// <summary>Starts the first leader and the watchdog.</summary>
    public void Start()
    {
        Promote();
        new Thread(Watch) { IsBackground = true, Name = "ping watchdog" }.Start();
    }

    /// <summary>Begins to take pings.</summary>
    public void Attach(IPingQueue queue, bool newDriver)
    {
        _returns.Attach(queue, newDriver);
        _queue = queue;
        Volatile.Write(ref _gate, GateOpen);
        _opened.Set();
    }

    /// <summary>Ends taking pings: when this returns the queue is not touched any more. Callbacks may still run.</summary>
    public void Detach()
    {
        _opened.Reset();
        var spinner = default(SpinWait);
        while (Interlocked.CompareExchange(ref _gate, GateClosed, GateOpen) != GateOpen)
        {
            spinner.SpinOnce();
        }

        _returns.Detach();
        _queue = null;
        _waiter.Wake();
    }

    /// <summary>Lets the threads end; one that is in a callback ends when that returns. The queue must be detached.</summary>
    public void Dispose()
    {
        _stopping = true;
        _opened.Set();
        _waiter.Wake();
        _watch.Set();
        _promotions.Release(int.MaxValue / 2);
    }

    private void ThreadMain()
    {
        while (!_stopping)
        {
            Lead();
            lock (_threadLock)
            {
                if (_standingBy >= MaxStandingBy)
                {
                    return;
                }

                _standingBy++;
            }

            _promotions.Wait();
        }
    }

    private void Promote()
    {
        lock (_threadLock)
        {
            if (_standingBy > 0)
            {
                _standingBy--;
                _promotions.Release();
                return;
            }
        }

        new Thread(ThreadMain) { IsBackground = true, Name = "ping queue" }.Start();
    }

    /// <summary>Works the queue until another thread was made the leader.</summary>
    private void Lead()
    {
        while (!_stopping)
        {
            if (_spareSlot < 0 && !TryRentSpare())
            {
                _counters.Add(Counter.QueueWaits);
                Sleep();
                continue;
            }

            if (Interlocked.CompareExchange(ref _gate, GateTaken, GateOpen) != GateOpen)
            {
                _opened.Wait();
                continue;
            }

            var queue = _queue!;
            ref var message = ref _pings[_spareSlot].Message;
            var take = queue.TryTake(ref message, out var entry);
            var ticket = take == PingTake.Empty ? 0 : _returns.TicketOf(entry);
            var mayWait = take == PingTake.Empty && queue.ArmKick();
            Volatile.Write(ref _gate, GateOpen);

            if (take == PingTake.Taken)
            {
                var slot = _spareSlot;
                _spareSlot = -1;
                if (!Dispatch(slot, ticket))
                {
                    return;
                }
            }
            else if (take == PingTake.Malformed)
            {
                _counters.Add(Counter.MessagesRejected);
                _returns.Post(ticket);
                if (_guestLog.Allows(out var log))
                {
                    Log.PingMalformed(log, PingMessage.Size);
                }
            }
            else if (mayWait)
            {
                Sleep();
            }
        }
    }

    /// <summary>Brings a ping to its instance.</summary>
    /// <returns>False if another thread was made the leader meanwhile.</returns>
    private bool Dispatch(int slot, uint ticket)
    {
        _counters.Add(Counter.Pings);
        _pings.Account(slot, ticket);
        var handle = _pings[slot].Message.InstanceHandle;
        if (!_instances.TryGet(handle, out var instance))
        {
            _runner.Refuse(slot, "there is no such instance");
            return true;
        }

        var number = _pings[slot].Number;
        var (before, beforeNumber) = instance.Last;
        _pings.Link(before, beforeNumber, slot);
        instance.Last = (slot, number);
        switch (instance.Admit())
        {
            case Admission.Refused:
                _runner.Refuse(slot, "the instance is ending");
                return true;
            case Admission.Behind:
                _runner.TakeOver(instance, slot);
                return true;
            default:
                var mine = EnterCallback();
                _runner.Run(instance, slot);
                return Interlocked.CompareExchange(ref _callbacks, mine + 1, mine) == mine;
        }
    }

    private long EnterCallback()
    {
        // A full fence: either the watchdog sees the odd number before it sleeps, or we see that it sleeps.
        var mine = Interlocked.Increment(ref _callbacks);
        if (Volatile.Read(ref _watchdogSleeps) != 0 && Interlocked.Exchange(ref _watchdogSleeps, 0) != 0)
        {
            _watch.Set();
        }

        return mine;
    }

    private void Sleep()
    {
        _waiter.Wait();
        _events.Pump();
    }

    private bool TryRentSpare()
    {
        if (_pings.TryRent(out _spareSlot))
        {
            return true;
        }

        // A full fence: either the one who frees a row sees that we wait, or we see the row.
        Interlocked.Exchange(ref _rowsAwaited, 1);
        if (_pings.TryRent(out _spareSlot))
        {
            return true;
        }

        _spareSlot = -1;
        return false;
    }

    private void OnRowFreed()
    {
        if (Volatile.Read(ref _rowsAwaited) != 0 && Interlocked.Exchange(ref _rowsAwaited, 0) != 0)
        {
            _waiter.Wake();
        }
    }

    /// <summary>Looks now and then whether the leader is still in the callback in which it was the last time.</summary>
    private void Watch()
    {
        var last = 0L;
        var quiet = 0;
        while (!_stopping)
        {
            if (quiet < QuietTicks)
            {
                _watch.WaitOne(_patience);
            }
            else
            {
                Interlocked.Exchange(ref _watchdogSleeps, 1);
                if (Volatile.Read(ref _callbacks) == last)
                {
                    _watch.WaitOne();
                }

                Volatile.Write(ref _watchdogSleeps, 0);
            }

            var now = Volatile.Read(ref _callbacks);
            quiet = now == last ? quiet + 1 : 0;
            if (now == last && (now & 1) != 0 && Interlocked.CompareExchange(ref _callbacks, now + 1, now) == now)
            {
                _counters.Add(Counter.LeadersReplaced);
                Log.LeaderReplaced(_logger);
                Promote();
            }

            last = now;
        }
    }
}
