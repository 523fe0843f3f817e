// A ping queue between a test and the device model, in one process.
using System.Collections.Concurrent;
using VirtioUser.Host.Pings;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Support;

/// <summary>
/// A ring of entries. It checks what the device model owes a real one: each entry comes back once, none that
/// was not taken, one thread at a time, and a notification behind the last return.
/// </summary>
internal sealed class FakePingQueue : IPingQueue
{
    private readonly object _changed = new();
    private readonly FakeWaiter _waiter;
    private readonly ConcurrentQueue<string> _faults;
    private readonly OneAtATime _touching;
    private readonly ConcurrentQueue<(ushort Entry, PingMessage? Message)> _available = new();
    private readonly Stack<ushort> _free = new();
    private readonly bool[] _taken;
    private readonly Queue<ushort> _unflushed = new();
    private readonly Queue<ushort> _returnedUnseen = new();
    private readonly List<ushort> _flushed = [];
    private int _armed;
    private int _closed;
    private bool _holdsSignals;
    private bool _signalIsHeld;

    public FakePingQueue(FakeWaiter waiter, ConcurrentQueue<string> faults, int size = 1024)
    {
        (_waiter, _faults) = (waiter, faults);
        _touching = new("the ping queue", faults);
        _taken = new bool[size];
        Size = size;
        for (var entry = size; entry-- > 0;)
        {
            _free.Push((ushort)entry);
        }
    }

    public int Size { get; }

    /// <summary>Entries that the guest may use now.</summary>
    public int Free
    {
        get
        {
            lock (_changed)
            {
                return _free.Count;
            }
        }
    }

    /// <summary>The entries in the order in which they came back.</summary>
    public IReadOnlyList<ushort> Returned
    {
        get
        {
            lock (_changed)
            {
                return [.. _flushed];
            }
        }
    }

    public bool HasNext
    {
        get
        {
            _touching.Enter();
            CheckOpen();
            _touching.Leave();
            return !_available.IsEmpty;
        }
    }

    /// <summary>Whether everything was taken.</summary>
    public bool IsEmpty => _available.IsEmpty;

    /// <summary>How often the guest kicked.</summary>
    public int Kicks { get; private set; }

    /// <summary>The guest puts a message into the ring and kicks; null is an entry that is no ping.</summary>
    /// <returns>The entry.</returns>
    public ushort Put(PingMessage? message)
    {
        ushort entry = 0;
        Patience.WaitUntil(_changed, () => _free.TryPop(out entry), () => "a free entry in the ring");
        _available.Enqueue((entry, message));
        Interlocked.MemoryBarrier(); // pairs with the one in ArmKick
        if (Interlocked.Exchange(ref _armed, 0) != 0)
        {
            Kicks++;
            _waiter.Kick();
        }

        return entry;
    }

    /// <summary>Waits until the guest has as many entries as that.</summary>
    public void WaitForFree(int count) => Patience.WaitUntil(_changed, () => _free.Count >= count, () => $"{count} free entries, {_free.Count} are");

    /// <summary>Waits until the guest has all entries.</summary>
    public void WaitForAll() => WaitForFree(Size);

    /// <summary>From now on a signal waits, as one does over a descriptor that the guest has filled.</summary>
    public void HoldSignals()
    {
        lock (_changed)
        {
            _holdsSignals = true;
        }
    }

    /// <summary>Waits until a thread is in a signal that waits.</summary>
    public void WaitForHeldSignal() => Patience.WaitUntil(_changed, () => _signalIsHeld, () => "a signal that is held");

    /// <summary>Lets signals through again.</summary>
    public void ReleaseSignals()
    {
        lock (_changed)
        {
            _holdsSignals = false;
            Monitor.PulseAll(_changed);
        }
    }

    /// <summary>From now on touching the queue is a fault.</summary>
    public void Close() => Volatile.Write(ref _closed, 1);

    /// <summary>The same ring runs again.</summary>
    public void Reopen() => Volatile.Write(ref _closed, 0);

    public PingTake TryTake(ref PingMessage message, out ushort head, ref int budget)
    {
        _touching.Enter();
        CheckOpen();
        var take = PingTake.Empty;
        head = 0;
        if (_available.TryDequeue(out var item))
        {
            head = item.Entry;
            budget--;
            Volatile.Write(ref _taken[head], true);
            take = item.Message is null ? PingTake.Malformed : PingTake.Taken;
            message = item.Message ?? message;
        }

        _touching.Leave();
        return take;
    }

    public bool ArmKick()
    {
        _touching.Enter();
        CheckOpen();
        Interlocked.Exchange(ref _armed, 1);
        var empty = _available.IsEmpty;
        _touching.Leave();
        return empty;
    }

    public void Return(ushort head)
    {
        _touching.Enter();
        CheckOpen();
        if (!Volatile.Read(ref _taken[head]))
        {
            _faults.Enqueue($"entry {head} came back and was not out");
        }

        Volatile.Write(ref _taken[head], false);
        _unflushed.Enqueue(head);
        _touching.Leave();
    }

    public void DisarmKick()
    {
        _touching.Enter();
        CheckOpen();
        Interlocked.Exchange(ref _armed, 0);
        _touching.Leave();
    }

    public bool MustSignal()
    {
        _touching.Enter();
        CheckOpen();
        var must = _unflushed.Count > 0;
        lock (_changed)
        {
            while (_unflushed.TryDequeue(out var entry))
            {
                _returnedUnseen.Enqueue(entry);
            }
        }

        _touching.Leave();
        return must;
    }

    public void Signal()
    {
        lock (_changed)
        {
            _signalIsHeld = _holdsSignals;
            Monitor.PulseAll(_changed);
            while (_holdsSignals)
            {
                Monitor.Wait(_changed);
            }

            _signalIsHeld = false;
            while (_returnedUnseen.TryDequeue(out var entry))
            {
                _free.Push(entry);
                _flushed.Add(entry);
            }

            Monitor.PulseAll(_changed);
        }
    }

    private void CheckOpen()
    {
        if (Volatile.Read(ref _closed) != 0)
        {
            _faults.Enqueue("the ping queue was touched after it was detached");
        }
    }
}
