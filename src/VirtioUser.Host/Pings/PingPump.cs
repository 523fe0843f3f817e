// Takes pings from the queue and brings them to their instances.
using Microsoft.Extensions.Logging;
using VirtioUser.Host.Events;
using VirtioUser.Host.Instances;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Pings;

/// <summary>
/// The leader takes pings from the queue and runs the callbacks itself, so a ping costs no hand-over. When a
/// callback keeps it longer than <see cref="HostOptions.LeaderPatience"/>, another thread becomes the leader;
/// the old one stays with its instance until nothing is left there. So a slow instance holds up nobody but itself.
/// </summary>
internal sealed class PingPump : IDisposable
{
    // Who may touch the taking side of the queue.
    private const int GateOpen = 0, GateTaken = 1, GateClosed = 2;

    private readonly IQueueWaiter _waiter;
    private readonly PingTable _pings;
    private readonly PingReturns _returns;
    private readonly PingRunner _runner;
    private readonly EventSender _events;
    private readonly InstanceTable _instances;
    private readonly HostCounters _counters;
    private readonly GuestLog _guestLog;
    private readonly ILogger _logger;
    private readonly Leadership _leadership;
    private readonly ManualResetEventSlim _opened = new(false);
    private int _gate = GateClosed;
    private IPingQueue? _queue;
    private int _rowsAwaited;
    private int _spareSlot = -1;

    // The ping in whose callback the leader is; for the watchdog once it took the leader's place away.
    private Instance? _ledInstance;
    private int _ledSlot;

    public PingPump(
        IQueueWaiter waiter, PingTable pings, PingReturns returns, PingRunner runner, EventSender events,
        InstanceTable instances, HostCounters counters, HostOptions options, GuestLog guestLog, ILogger logger)
    {
        (_waiter, _pings, _returns, _runner, _events) = (waiter, pings, returns, runner, events);
        (_instances, _counters, _guestLog, _logger) = (instances, counters, guestLog, logger);
        _leadership = new Leadership(Lead, OnReplaced, options.LeaderPatience, guestLog);
        _pings.RowFreed = OnRowFreed;
    }

    /// <summary>Starts the threads.</summary>
    public void Start() => _leadership.Start();

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
        _leadership.Dispose();
        _opened.Set();
        _waiter.Wake();
    }

    /// <summary>Works the queue until another thread was made the leader.</summary>
    private void Lead()
    {
        while (!_leadership.Stopping)
        {
            if (_events.IsBlocked)
            {
                _events.Pump(); // buffers may have come: the leader does not sleep as long as there are pings
            }

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

        var (before, beforeNumber) = instance.Last;
        _pings.Link(before, beforeNumber, slot);
        instance.Last = (slot, _pings[slot].Number);
        switch (instance.Admit())
        {
            case Admission.Refused:
                _runner.Refuse(slot, "the instance is ending");
                return true;
            case Admission.Behind:
                _runner.TakeOverWaiting(instance, slot);
                return true;
            default:
                (_ledInstance, _ledSlot) = (instance, slot);
                var mine = _leadership.EnterCallback();
                _runner.Run(instance, slot);
                return _leadership.LeaveCallback(mine);
        }
    }

    /// <summary>
    /// The leader is stuck in a callback. The callback must not keep a part of the ring, or as many of them as
    /// the ring has entries would stop everybody. Nobody leads at this moment, so no row is rented: if the
    /// callback returns meanwhile, its row has no ring entry left to take.
    /// </summary>
    private void OnReplaced()
    {
        _counters.Add(Counter.LeadersReplaced);
        Log.LeaderReplaced(_logger);
        _runner.TakeOverRunning(_ledInstance!, _ledSlot);
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
}
