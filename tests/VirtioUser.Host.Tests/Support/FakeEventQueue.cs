// An event queue between a test and the device model, in one process.
using System.Collections.Concurrent;
using VirtioUser.Host.Events;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Support;

/// <summary>Shows an event to the test when it was signalled, not before: a forgotten signal is a lost event.</summary>
internal sealed class FakeEventQueue(FakeWaiter waiter, ConcurrentQueue<string> faults, int buffers = int.MaxValue) : IEventQueue
{
    private readonly object _changed = new();
    private readonly OneAtATime _putting = new("TryPut", faults);
    private readonly List<EventMessage> _put = [];
    private readonly List<EventMessage> _unseen = [];
    private readonly List<EventMessage> _seen = [];
    private int _closed;
    private int _refused;
    private bool _holdsSignals;
    private bool _signalIsHeld;

    /// <summary>All events that the guest has seen.</summary>
    public IReadOnlyList<EventMessage> Seen
    {
        get
        {
            lock (_changed)
            {
                return [.. _seen];
            }
        }
    }

    /// <summary>How often the guest was told.</summary>
    public int Signals { get; private set; }

    /// <summary>The revents that an instance got, in order.</summary>
    public IReadOnlyList<uint> Of(ulong handle) => [.. Seen.Where(message => message.InstanceHandle == handle).Select(message => message.Revents)];

    /// <summary>The guest adds buffers and kicks.</summary>
    public void AddBuffers(int count)
    {
        lock (_changed)
        {
            buffers += count;
        }

        waiter.Kick();
    }

    /// <summary>Waits until an instance has got as many events as that.</summary>
    public IReadOnlyList<uint> WaitFor(ulong handle, int count)
    {
        Patience.WaitUntil(
            _changed,
            () => _seen.Count(message => message.InstanceHandle == handle) >= count,
            () => $"{count} events of instance {handle}, {_seen.Count(message => message.InstanceHandle == handle)} came");
        return Of(handle);
    }

    /// <summary>Waits until the host wanted a buffer and there was none.</summary>
    public void WaitForRefusal() => Patience.WaitUntil(_changed, () => _refused > 0, () => "an event without a buffer");

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

    /// <summary>Lets signals through again; what the front-end does before it takes the queue away.</summary>
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

    /// <summary>The same queue runs again.</summary>
    public void Reopen() => Volatile.Write(ref _closed, 0);

    public bool TryPut(in EventMessage message)
    {
        _putting.Enter();
        CheckOpen();
        lock (_changed)
        {
            if (buffers == 0)
            {
                _refused++;
                Monitor.PulseAll(_changed);
            }
            else
            {
                buffers--;
                _put.Add(message);
                _putting.Leave();
                return true;
            }
        }

        _putting.Leave();
        return false;
    }

    public bool HasMore => false;

    public bool MustSignal()
    {
        _putting.Enter();
        CheckOpen();
        bool must;
        lock (_changed)
        {
            must = _put.Count > 0;
            _unseen.AddRange(_put);
            _put.Clear();
        }

        _putting.Leave();
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
            Signals++;
            _seen.AddRange(_unseen);
            _unseen.Clear();
            Monitor.PulseAll(_changed);
        }
    }

    private void CheckOpen()
    {
        if (Volatile.Read(ref _closed) != 0)
        {
            faults.Enqueue("the event queue was touched after it was detached");
        }
    }
}
