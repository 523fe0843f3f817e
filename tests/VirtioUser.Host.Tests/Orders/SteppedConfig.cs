// The config queues, which stop wherever a guest could come between.
using VirtioUser.Host.Config;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Orders;

/// <summary>A request ring. Kicks are for once: each must be asked for. One actor runs at a time, so nothing here is locked.</summary>
internal sealed class SteppedRequests(SteppedWaiter waiter) : IRequestQueue
{
    private readonly Queue<ConfigMessage> _available = new();
    private bool _armed;

    /// <summary>Touching it is a fault.</summary>
    public bool IsClosed { get; set; }

    /// <summary>How many the host has not taken.</summary>
    public int Waiting => _available.Count;

    /// <summary>The guest's side: first the entry, then a look whether a kick is wanted.</summary>
    public void Send(ConfigOperation operation, ulong tag, ulong handle = 0)
    {
        Order.Stop();
        _available.Enqueue(new ConfigMessage { Operation = operation, Tag = tag, InstanceHandle = handle, FirstDevice = Support.ScriptedDevice.Default });
        Order.Stop();
        if (_armed)
        {
            _armed = false;
            waiter.Kick();
        }
    }

    public bool TryTake(Span<byte> bytes, out int length)
    {
        Touch();
        length = _available.Count == 0 ? 0 : ConfigMessage.Size;
        if (!_available.TryDequeue(out var message))
        {
            return false;
        }

        message.Write(bytes);
        return true;
    }

    public bool ArmKick()
    {
        Touch();
        _armed = true;
        Touch();
        return _available.Count == 0;
    }

    public bool MustSignal()
    {
        Touch();
        return true;
    }

    public void Signal() => Order.Stop(); // any time, also later

    private void Touch()
    {
        Order.Stop(holdsLock: true);
        Assert.False(IsClosed, "A request ring is touched that was taken away.");
    }
}

/// <summary>A reply ring with a number of buffers.</summary>
internal sealed class SteppedReplies(SteppedWaiter waiter, int buffers) : IReplyQueue
{
    private int _buffers = buffers;
    private bool _armed;

    /// <summary>Touching it is a fault.</summary>
    public bool IsClosed { get; set; }

    /// <summary>What the guest got.</summary>
    public List<ConfigMessage> Put { get; } = [];

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

    public bool TryPut(in ConfigMessage reply)
    {
        Touch();
        if (_buffers == 0)
        {
            _armed = true;
            Touch();
            if (_buffers == 0)
            {
                return false;
            }
        }

        _armed = false;
        _buffers--;
        Put.Add(reply);
        return true;
    }

    public bool MustSignal()
    {
        Touch();
        return true;
    }

    public void Signal() => Order.Stop();

    private void Touch()
    {
        Order.Stop(holdsLock: true);
        Assert.False(IsClosed, "A reply ring is touched that was taken away.");
    }
}
