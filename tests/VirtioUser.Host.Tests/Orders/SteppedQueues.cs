// Queues and doorbells that stop wherever a guest could come between.
using VirtioUser.Host.Events;
using VirtioUser.Host.Instances;
using VirtioUser.Host.Pings;
using VirtioUser.Host.Workers;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Orders;

/// <summary>A ping ring. Kicks are for once: each must be asked for. One actor runs at a time, so nothing here is locked.</summary>
internal sealed class SteppedPings(SteppedWaiter waiter) : IPingQueue
{
    private readonly Queue<(ushort Head, PingMessage Message)> _available = new();
    private readonly HashSet<ushort> _taken = [];
    private ushort _lastHead;
    private bool _armed;

    /// <summary>Touching it is a fault.</summary>
    public bool IsClosed { get; set; }

    /// <summary>How many entries the host has not given back.</summary>
    public int Missing => _available.Count + _taken.Count;

    public bool HasNext
    {
        get
        {
            Touch();
            return _available.Count > 0;
        }
    }

    /// <summary>The ring begins anew: nobody has asked for kicks.</summary>
    public void Reopen() => (IsClosed, _armed) = (false, false);

    /// <summary>The guest's side: first the entry, then a look whether a kick is wanted.</summary>
    public void Put(PingMessage message)
    {
        Order.Stop();
        _available.Enqueue((++_lastHead, message));
        Order.Stop();
        if (_armed)
        {
            _armed = false;
            waiter.Kick();
        }
    }

    public PingTake TryTake(ref PingMessage message, out ushort head, ref int budget)
    {
        Touch();
        if (!_available.TryDequeue(out var item))
        {
            head = 0;
            return PingTake.Empty;
        }

        (head, message) = item;
        budget--;
        _taken.Add(head);
        return PingTake.Taken;
    }

    public bool ArmKick()
    {
        Touch();
        _armed = true;
        Touch();
        return _available.Count == 0;
    }

    public void DisarmKick()
    {
        Touch();
        _armed = false;
    }

    public void Return(ushort head)
    {
        Assert.False(IsClosed, "An entry is given to a ring that was taken away.");
        Assert.True(_taken.Remove(head), "An entry is given to a ring that it is not of.");
    }

    public bool MustSignal()
    {
        Assert.False(IsClosed, "A ring is asked that was taken away.");
        return true;
    }

    public void Signal() => Order.Stop(); // any time, also later

    private void Touch()
    {
        Order.Stop(holdsLock: true);
        Assert.False(IsClosed, "A ring is touched that was taken away.");
    }
}

/// <summary>An event ring with a number of buffers.</summary>
internal sealed class SteppedEvents(SteppedWaiter waiter, int buffers) : IEventQueue
{
    private int _buffers = buffers;
    private bool _isSignalDue;
    private bool _armed;

    /// <summary>Touching it is a fault.</summary>
    public bool IsClosed { get; set; }

    /// <summary>What the guest has got.</summary>
    public List<EventMessage> Put { get; } = [];

    /// <summary>How much of it the guest was told of.</summary>
    public int Told { get; private set; }

    public bool HasMore => false;

    /// <summary>The guest's side: first the buffers, then a look whether a kick is wanted.</summary>
    public void AddBuffers(int count)
    {
        Order.Stop();
        _buffers += count;
        Order.Stop();
        if (_armed)
        {
            _armed = false;
            waiter.Kick();
        }
    }

    public bool TryPut(in EventMessage message)
    {
        Order.Stop(holdsLock: true);
        Assert.False(IsClosed, "The event ring is touched that was taken away.");
        if (_buffers == 0)
        {
            _armed = true;
            Order.Stop(holdsLock: true);
            if (_buffers == 0)
            {
                return false;
            }
        }

        _armed = false;
        _buffers--;
        Put.Add(message);
        return true;
    }

    /// <summary>As with VIRTIO_F_EVENT_IDX: once, until the guest was told and looks again.</summary>
    public bool MustSignal()
    {
        var must = Put.Count > Told && !_isSignalDue;
        _isSignalDue |= must;
        return must;
    }

    public void Signal()
    {
        Order.Stop();
        (Told, _isSignalDue) = (Put.Count, false);
    }
}

/// <summary>What workers wait for, without threads of a pool. What was posted is taken over at once.</summary>
internal sealed class SteppedWaiter : IWorkWaiter
{
    private readonly Queue<IWork> _posted = new();
    private bool _kicked;
    private bool _takesOver;

    /// <summary>The pool whose works these are.</summary>
    public WorkerPool? Pool { get; set; }

    /// <summary>What a kick is for.</summary>
    public IWork? Work { get; set; }

    /// <summary>Whether a worker has something to do.</summary>
    public bool HasWork => _kicked || _posted.Count > 0;

    /// <summary>Takes what is to be done.</summary>
    public IWork Take()
    {
        if (_posted.TryDequeue(out var posted))
        {
            return posted;
        }

        _kicked = false;
        return Work!;
    }

    public void Kick() => _kicked = true;

    public void Wake()
    {
        if (_takesOver)
        {
            return;
        }

        _takesOver = true;
        while (Pool!.TryTakePosted() is { } work)
        {
            if (work is Creation)
            {
                work.Run(); // who asked for it waits without a seam
            }
            else
            {
                _posted.Enqueue(work);
            }
        }

        _takesOver = false;
    }

    public IWork? Wait() => throw new NotSupportedException("The actors do the work.");
}
