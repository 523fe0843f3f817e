// One instance: its place in line, what it holds, and whether it still lives.
using System.Collections.Concurrent;
using Virtio;
using VirtioUser.Devices;
using VirtioUser.Host.Memory;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Instances;

/// <summary>
/// The strict order of an instance comes from one number, <c>_work</c>: how many pings were admitted and
/// not finished, plus <see cref="Ending"/> once the end was asked for. Who raises it from 0 runs the instance
/// until it is 0 again; so at most one thread at a time runs callbacks of an instance, without a lock.
/// </summary>
internal sealed class Instance(ulong handle, DeviceIdentity identity, int slot)
{
    private const long Ending = 1L << 32;

    private static long s_lastId;

    private readonly ConcurrentDictionary<ulong, HeldObject> _held = new(concurrencyLevel: 1, capacity: 1);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _holdLock = new();
    private readonly object _roomGate = new(); // not a Lock: it is waited on
    private bool _holdsNoMore;
    private volatile bool _failed;
    private volatile bool _abandoned;
    private long _work;
    private int _answersWaiting;
    private int _ownEventsWaiting;
    private int _lossReported;
    private int _takenOver;
    private volatile bool _waits;

    /// <summary>Stands for all instances that a driver names and that do not exist, so that answers to it have an owner.</summary>
    public static Instance Stranger() => new(0, default, -1);

    /// <summary>What the guest calls it. Each device model counts for itself.</summary>
    public ulong Handle { get; } = handle;

    /// <summary>What devices call it: never 0, and never used twice in a process, whichever guest's it is. No device knows the stranger.</summary>
    public ulong Id { get; } = handle == 0 ? 0 : (ulong)Interlocked.Increment(ref s_lastId);

    /// <summary>Vendor and device, and the version that was agreed on. Set before the instance can be found.</summary>
    public DeviceIdentity Identity { get; set; } = identity;

    /// <summary>The row in the state.</summary>
    public int Slot { get; } = slot;

    /// <summary>The device's own object. Set before the instance can be found.</summary>
    public DeviceInstance? Implementation { get; set; }

    /// <summary>What the device keeps of objects for longer than a ping.</summary>
    public HoldList Holds { get; } = new();

    /// <summary>The row of the ping admitted last. For the thread that leads the ping queue only.</summary>
    public int LastSlot { get; set; } = -1;

    /// <summary>The number of the ping admitted last. For the thread that leads the ping queue only.</summary>
    public ulong LastNumber { get; set; }

    /// <summary>A callback threw: no callback runs any more, pings are answered as failed.</summary>
    public bool Failed => _failed;

    /// <summary>The guest's side is gone: pings that have not begun are dropped, events go nowhere.</summary>
    public bool Abandoned => _abandoned;

    /// <summary>Complete when the last callback has returned and everything held was given back.</summary>
    public Task Ended => _ended.Task;

    /// <summary>Whether nothing is in line. If so it stays so for the leading thread, which alone admits pings.</summary>
    public bool IsIdle => (Volatile.Read(ref _work) & (Ending - 1)) == 0;

    /// <summary>Puts a ping in line; it must be whole before. For the leading thread only.</summary>
    public Admission Admit()
    {
        var seen = Volatile.Read(ref _work);
        while (true)
        {
            if (seen >= Ending)
            {
                return Admission.Refused;
            }

            var was = Interlocked.CompareExchange(ref _work, seen + 1, seen);
            if (was == seen)
            {
                return seen == 0 ? Admission.Run : Admission.Behind;
            }

            seen = was;
        }
    }

    /// <summary>One ping is done.</summary>
    /// <param name="mustEnd">True for the one who has to run the end: nothing is left and the end was asked for.</param>
    /// <returns>True when another ping is in line.</returns>
    public bool Finish(out bool mustEnd)
    {
        var left = Interlocked.Decrement(ref _work);
        mustEnd = left == Ending;
        return (left & (Ending - 1)) != 0;
    }

    /// <summary>Asks for the end, after the pings that are in line.</summary>
    /// <returns>True for the one who has to run the end: the instance is idle.</returns>
    public bool RequestEnd()
    {
        var seen = Volatile.Read(ref _work);
        while (seen < Ending)
        {
            var was = Interlocked.CompareExchange(ref _work, seen + Ending, seen);
            if (was == seen)
            {
                return seen == 0;
            }

            seen = was;
        }

        return false;
    }

    /// <summary>The guest went away.</summary>
    public void Abandon()
    {
        _abandoned = true;
        Interlocked.MemoryBarrier(); // pairs with the one in WaitForRoom: the waiter sees this, or we see that it waits
        WakeWaiter();
    }

    /// <summary>A callback threw.</summary>
    public void MarkFailed() => _failed = true;

    /// <summary>Everything was given back.</summary>
    public void MarkEnded() => _ended.TrySetResult();

    /// <summary>Whether the instance holds an object. Any thread, no lock.</summary>
    public bool TryGetHeld(ulong shmId, out HeldObject held) => _held.TryGetValue(shmId, out held);

    /// <summary>Finds an object by a range of the arena that lies inside it. Any thread, no lock.</summary>
    /// <returns>Null if the instance holds none.</returns>
    public SharedObject? FindHeld(ulong offset, ulong size)
    {
        foreach (var (_, held) in _held)
        {
            var shared = held.Object;
            if (Bounds.Contains(shared.Offset, shared.Size, offset, size, out _))
            {
                return shared;
            }
        }

        return null;
    }

    /// <summary>Adds a reference.</summary>
    /// <returns>False when the instance holds the object already, or has ended: the caller keeps the reference.</returns>
    public bool TryAddHeld(HeldObject held)
    {
        lock (_holdLock)
        {
            return !_holdsNoMore && _held.TryAdd(held.Object.ShmId, held);
        }
    }

    /// <summary>Takes a reference away from the instance.</summary>
    public bool TryRemoveHeld(ulong shmId, out HeldObject held) => _held.TryRemove(shmId, out held);

    /// <summary>Takes all references away, for good.</summary>
    public IReadOnlyList<HeldObject> TakeAllHeld()
    {
        lock (_holdLock)
        {
            _holdsNoMore = true;
        }

        var taken = new List<HeldObject>();
        foreach (var shmId in _held.Keys)
        {
            if (_held.TryRemove(shmId, out var held))
            {
                taken.Add(held);
            }
        }

        return taken;
    }

    /// <summary>Whether one more answer may wait. Stays true for the running thread, which alone adds answers.</summary>
    public bool HasRoom(int bound) => Volatile.Read(ref _answersWaiting) < bound;

    /// <summary>Waits until there is room for an answer, or the instance is abandoned. For the running thread only.</summary>
    public void WaitForRoom(int bound)
    {
        lock (_roomGate)
        {
            _waits = true;
            Interlocked.MemoryBarrier(); // pairs with Abandon and with the decrement in AnswerDelivered
            while (!HasRoom(bound) && !Abandoned)
            {
                Monitor.Wait(_roomGate);
            }

            _waits = false;
        }
    }

    /// <summary>An answer waits for the guest. For the running thread only.</summary>
    public void AnswerQueued() => Interlocked.Increment(ref _answersWaiting);

    /// <summary>An answer that waited reached the guest's queue, or was dropped with its instance.</summary>
    public void AnswerDelivered()
    {
        Interlocked.Decrement(ref _answersWaiting);
        WakeWaiter();
    }

    /// <summary>Reserves a place for an own event. Any thread.</summary>
    /// <param name="bound">The most that may wait.</param>
    /// <param name="reportLoss">True for the one who has to tell the guest that events were lost.</param>
    public bool TryReserveOwnEvent(int bound, out bool reportLoss)
    {
        reportLoss = false;
        var seen = Volatile.Read(ref _ownEventsWaiting);
        while (seen < bound)
        {
            var was = Interlocked.CompareExchange(ref _ownEventsWaiting, seen + 1, seen);
            if (was == seen)
            {
                return true;
            }

            seen = was;
        }

        reportLoss = Interlocked.Exchange(ref _lossReported, 1) == 0;
        return false;
    }

    /// <summary>An event that was no answer reached the guest's queue, or was dropped with its instance.</summary>
    public void OwnEventDelivered(uint revents)
    {
        if (revents == Revents.NoticeEventsLost)
        {
            Volatile.Write(ref _lossReported, 0);
        }
        else if (!Revents.IsNotice(revents))
        {
            Interlocked.Decrement(ref _ownEventsWaiting);
        }
    }

    /// <summary>How many pings the host keeps itself.</summary>
    public int TakenOver => Volatile.Read(ref _takenOver);

    /// <summary>One more, or one less, ping that the host keeps itself.</summary>
    public void CountTakenOver(int change) => Interlocked.Add(ref _takenOver, change);

    private void WakeWaiter()
    {
        if (_waits)
        {
            lock (_roomGate)
            {
                Monitor.Pulse(_roomGate);
            }
        }
    }
}
