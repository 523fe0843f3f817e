// The ping queue as its driver works it.
using System.Runtime.InteropServices;
using Virtio.Queues;
using Virtio.VhostUser;
using VirtioUser.Protocol;

namespace VirtioUser.Guest.Direct;

/// <summary>
/// Sends pings. As with the guest driver, no instance may hold more than a quarter of the ring, and the last quarter
/// is for those that hold none, so that a slow instance cannot shut out the others. Thread-safe; allocates nothing.
/// </summary>
internal sealed class PingRing
{
    // A message has 44 bytes; so each has a cache line of its own.
    private const uint Stride = 64;

    private readonly object _lock = new();
    private readonly RemoteQueue _queue;
    private readonly DriverMemory _memory;
    private readonly GuestBuffer _buffers;
    private readonly DirectChannel?[] _owners;
    private readonly Queue<uint> _free;
    private readonly List<DirectChannel> _starved = [];
    private volatile bool _closed;

    public PingRing(RemoteQueue queue, DriverMemory memory)
    {
        (_queue, _memory) = (queue, memory);
        var size = queue.Driver.Size;
        _buffers = memory.Allocate(Stride * size);
        _owners = new DirectChannel?[size];
        _free = new Queue<uint>(size);
        for (uint slot = 0; slot < size; slot++)
        {
            _free.Enqueue(slot);
        }
    }

    /// <summary>Whether somebody waits for room.</summary>
    public bool HasStarved { get; private set; }

    /// <summary>Sends as many as there is room for; the host is kicked once.</summary>
    /// <param name="sender">The instance.</param>
    /// <param name="pings">In order.</param>
    /// <param name="reserved">Whether their answers have places.</param>
    /// <exception cref="QueueException">The host broke the queue.</exception>
    public int Send(DirectChannel sender, ReadOnlySpan<PingRequest> pings, bool reserved)
    {
        using (Gate.Enter(_lock))
        {
            if (_closed || sender.IsRetired)
            {
                return 0;
            }

            var sent = 0;
            while (sent < pings.Length && HasRoom(sender) && (reserved || pings[sent].Events == 0 || sender.TryReserveAnswer()))
            {
                Add(sender, in pings[sent++]);
            }

            if (sent > 0)
            {
                _queue.KickIfWanted();
            }

            return sent;
        }
    }

    /// <summary>Whether a ping of this instance would be taken. If not, it is notified when that may be so.</summary>
    /// <exception cref="QueueException">The host broke the queue.</exception>
    public bool CanSend(DirectChannel sender)
    {
        using (Gate.Enter(_lock))
        {
            while (!_closed)
            {
                if (HasRoom(sender))
                {
                    return true;
                }

                if (MustWait(sender))
                {
                    return false;
                }
            }

            return true;
        }
    }

    /// <summary>Whether nothing of an instance is in the ring. If not, it is notified when that may be so.</summary>
    /// <exception cref="QueueException">The host broke the queue.</exception>
    public bool IsDrained(DirectChannel sender)
    {
        using (Gate.Enter(_lock))
        {
            while (!_closed)
            {
                Reclaim();
                if (sender.InFlight == 0)
                {
                    return true;
                }

                if (MustWait(sender))
                {
                    return false;
                }
            }

            return true;
        }
    }

    /// <summary>Collects what came back, and notifies those who wait for it.</summary>
    /// <exception cref="QueueException">The host broke the queue.</exception>
    public void Collect()
    {
        using (Gate.Enter(_lock))
        {
            if (!_closed)
            {
                Reclaim();
            }
        }
    }

    /// <summary>Takes no more pings of an instance: it is about to end.</summary>
    public void Retire(DirectChannel sender)
    {
        using (Gate.Enter(_lock))
        {
            sender.IsRetired = true;
        }
    }

    /// <summary>The memory is about to go: nothing is touched from now on.</summary>
    public void Close()
    {
        using (Gate.Enter(_lock))
        {
            _closed = true;
        }
    }

    /// <summary>Has the sender notified when something comes back.</summary>
    /// <returns>False if something has come back meanwhile.</returns>
    private bool MustWait(DirectChannel sender)
    {
        if (!_starved.Contains(sender))
        {
            _starved.Add(sender);
        }

        HasStarved = true;
        return !_queue.Driver.EnableCalls();
    }

    private bool HasRoom(DirectChannel sender)
    {
        if (IsRoom(sender))
        {
            return true;
        }

        Reclaim();
        return IsRoom(sender);
    }

    private bool IsRoom(DirectChannel sender)
    {
        var quarter = _queue.Driver.Size / 4;
        return _free.Count > 0 && (sender.InFlight == 0 || (sender.InFlight < quarter && _free.Count > quarter));
    }

    private void Reclaim()
    {
        var any = false;
        while (_queue.Driver.TryReclaim(out var slot, out _))
        {
            _owners[slot]!.InFlight--;
            _owners[slot] = null;
            _free.Enqueue((uint)slot);
            any = true;
        }

        if (!any || _starved.Count == 0)
        {
            return;
        }

        foreach (var each in _starved)
        {
            each.Notify();
        }

        _starved.Clear();
        HasStarved = false;
    }

    private void Add(DirectChannel sender, in PingRequest ping)
    {
        var slot = _free.Dequeue();
        var buffer = new GuestBuffer(_buffers.Address + slot * Stride, PingMessage.Size);
        MemoryMarshal.Write(_memory.GetSpan(buffer), new PingMessage
        {
            InstanceHandle = sender.Handle,
            Metadata = ping.Metadata,
            ShmId = ping.ShmId,
            ShmOffset = ping.ShmOffset,
            ShmSize = ping.ShmSize,
            Events = ping.Events,
        });
        _queue.Driver.TryAdd([buffer], [], slot);
        _owners[slot] = sender;
        sender.InFlight++;
    }
}
