// Takes pings from the queue and brings them to their instances.
using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;
using VirtioUser.Host.Events;
using VirtioUser.Host.Instances;
using VirtioUser.Host.State;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Pings;

/// <summary>
/// The leader takes pings from the queue and runs the callbacks itself, so a ping costs no hand-over. When a
/// callback keeps it longer than <see cref="HostOptions.LeaderPatience"/>, another thread becomes the leader;
/// the old one stays with its instance until nothing is left there. So a slow instance holds up nobody but itself.
/// </summary>
internal sealed partial class PingPump : IDisposable
{
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
    private readonly ReturnBatch _done;
    private readonly ManualResetEventSlim _opened = new(false);

    // Only Attach, Detach and TryGetQueue touch these.
    private volatile bool _closed = true;
    private IPingQueue? _attached;

    private volatile bool _atRest;
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
        _done = new ReturnBatch(pings, returns);
        _poll = new PollBudget(options.MaxPollTime);
        _pings.RowFreed = OnRowFreed;
    }

    /// <summary>Whether the leader waits for a queue.</summary>
    public bool IsAtRest => _atRest;

    /// <summary>Starts the threads.</summary>
    public void Start() => _leadership.Start();

    /// <summary>Begins to take pings.</summary>
    public void Attach(IPingQueue queue, bool newDriver)
    {
        _returns.Attach(queue, newDriver);
        _attached = queue;
        _closed = false;
        _opened.Set();
    }

    /// <summary>Ends taking pings: when this returns the queue is not touched any more. Callbacks may still run.</summary>
    public void Detach()
    {
        _opened.Reset();
        _closed = true;
        Interlocked.MemoryBarrier(); // pairs with those of the leader when it goes to work: it sees this, or we see that it works
        _leadership.WaitUntilNotAtWork();
        _returns.Detach();
        _attached = null;
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
        _leadership.BeginWork();
        while (!_leadership.Stopping)
        {
            // A method of its own: the runtime makes a method better that is called often, not one that goes round in itself.
            if (!Step())
            {
                return;
            }
        }

        _done.Flush();
        _leadership.EndWork();
    }

    /// <summary>Takes one ping and runs it, or waits.</summary>
    /// <returns>False if another thread was made the leader meanwhile.</returns>
    private bool Step()
    {
        if (_events.IsBlocked)
        {
            PumpEvents(); // buffers may have come: the leader does not sleep as long as there are pings
        }

        if (_returns.IsBlocked)
        {
            _returns.Pump();
        }

        if (!TryGetQueue(out var queue))
        {
            _done.Flush(); // kept by the returns until the queue is attached again
            SignalHeld();
            _leadership.EndWork();
            _atRest = true;
            _opened.Wait();
            _atRest = false;
            _leadership.BeginWork();
            return true;
        }

        if (_spareSlot < 0 && !TryRentSpare())
        {
            _counters.Add(Counter.QueueWaits);
            SignalHeld();
            Sleep(); // whoever frees a row ends it
            return true;
        }

        switch (TryTake(queue, out var ticket))
        {
            case PingTake.Taken:
                var slot = _spareSlot;
                _spareSlot = -1;
                return Dispatch(queue, slot, ticket);
            case PingTake.Malformed:
                _counters.Add(Counter.MessagesRejected);
                _returns.Post(ticket);
                if (_guestLog.Allows(out var log))
                {
                    Log.PingMalformed(log, PingMessage.Size);
                }

                return true;
            default:
                Idle(queue);
                return true;
        }
    }

    /// <summary>
    /// The queue, for a leader that is at work; it may be touched until the leader goes away from work or into a callback. After
    /// that it may be detached, or another one in its place, so each use begins with this.
    /// </summary>
    private bool TryGetQueue([NotNullWhen(true)] out IPingQueue? queue)
    {
        queue = _closed ? null : _attached;
        return queue is not null;
    }

    private PingTake TryTake(IPingQueue queue, out uint ticket)
    {
        var take = queue.TryTake(ref _pings[_spareSlot].Message, out var entry);
        ticket = take == PingTake.Empty ? 0 : _returns.TicketOf(entry);
        return take;
    }

    /// <summary>Brings a ping to its instance.</summary>
    /// <returns>False if another thread was made the leader meanwhile.</returns>
    private bool Dispatch(IPingQueue queue, int slot, uint ticket)
    {
        _counters.AddAlone(Counter.Pings);
        ref var row = ref _pings[slot];
        _pings.Account(slot, ref row, ticket);
        if (!_instances.TryGet(row.Message.InstanceHandle, out var instance))
        {
            Refuse(slot, "there is no such instance");
            return true;
        }

        if (!instance.IsIdle)
        {
            _pings.Link(instance.LastSlot, instance.LastNumber, slot);
        }

        (instance.LastSlot, instance.LastNumber) = (slot, row.Number);
        switch (instance.Admit())
        {
            case Admission.Refused:
                Refuse(slot, "the instance is ending");
                return true;
            case Admission.Behind:
                _runner.TakeOverWaiting(instance, slot);
                SignalHeldIfOld();
                return true;
            default:
                return Run(queue, instance, slot, ref row);
        }
    }

    private void Refuse(int slot, string reason)
    {
        var stranger = _runner.Stranger; // the present driver's; there may be another one when we are away
        _leadership.EndWork(); // as for PumpEvents
        _runner.Refuse(stranger, slot, reason);
        _leadership.BeginWork();
    }

    /// <summary>Runs a ping whose instance was idle.</summary>
    /// <returns>False if another thread was made the leader meanwhile.</returns>
    private bool Run(IPingQueue queue, Instance instance, int slot, ref PingRow row)
    {
        (_ledInstance, _ledSlot) = (instance, slot);
        var signal = !MayHoldSignal(queue, row.Message.Events != 0);
        var mine = _leadership.EnterCallback();
        var revents = _runner.Execute(instance, in row.Message); // between the fences of Admit and of the answer or LeaveCallback
        _runner.Conclude(instance, slot, ref row, revents, signal);
        if (!_leadership.LeaveCallback(mine))
        {
            _events.Pump(); // what was to be signalled later: this thread has no later any more
            _runner.GoOn(instance, slot);
            return false;
        }

        if (instance.Failed || !_pings.IsOnlyHolder(slot))
        {
            // The device's code may run again, or the answer waits for the guest: rare, and the careful way.
            mine = _leadership.EnterCallback();
            _runner.GoOn(instance, slot);
            return _leadership.LeaveCallback(mine);
        }

        _done.Add(slot, ref row);
        instance.Finish(out var mustEnd); // nothing is behind: the leader admits pings, and it was here
        if (!mustEnd)
        {
            return true;
        }

        mine = _leadership.EnterCallback();
        _runner.End(instance);
        return _leadership.LeaveCallback(mine);
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
        _done.Flush();
        _runner.TakeOverRunning(_ledInstance!, _ledSlot);
        _events.Pump(); // answers that were to be signalled with this ping's
    }

    private bool TryRentSpare()
    {
        if (_pings.TryRent(out _spareSlot))
        {
            return true;
        }

        _done.Flush(); // gives rows back, and tells nobody

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
