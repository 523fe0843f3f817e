// Virtqueue 2 as the device model wants it.
using System.Runtime.InteropServices;
using Virtio.Queues;
using Virtio.VhostUser;
using VirtioUser.Daemon.Trying;
using VirtioUser.Host.Pings;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon;

/// <summary>
/// Takes the 44 bytes of a ping from a chain, and gives the chain back. A broken queue is empty and takes what is given back; it throws
/// no exception at each look, since the guest decides how often that is.
/// </summary>
/// <param name="started">The queue.</param>
/// <param name="faults">Told when the driver has broken the rings.</param>
/// <param name="trace">Shows each ping; null if nobody asked for it.</param>
internal sealed class PingQueue(StartedQueue started, QueueFaults faults, Trace? trace) : IPingQueue
{
    private readonly DeviceQueue _queue = started.Queue;

    /// <inheritdoc/>
    public bool HasNext
    {
        get
        {
            if (_queue.IsBroken)
            {
                return false;
            }

            try
            {
                return _queue.HasAvailable;
            }
            catch (QueueException e)
            {
                faults.Report(started, e);
                return false;
            }
        }
    }

    /// <inheritdoc/>
    public PingTake TryTake(ref PingMessage message, out ushort head, ref int budget)
    {
        head = 0;
        if (_queue.IsBroken)
        {
            return PingTake.Empty;
        }

        try
        {
            if (!_queue.TryTake(out var chain))
            {
                return PingTake.Empty;
            }

            head = chain.Head;
            budget -= chain.DescriptorCount;
            if (chain.Error != ChainError.None || chain.ReadableLength != PingMessage.Size || chain.WritableLength != 0)
            {
                return PingTake.Malformed;
            }

            chain.CopyTo(MemoryMarshal.AsBytes(new Span<PingMessage>(ref message)));
            trace?.Ping(in message);
            return PingTake.Taken;
        }
        catch (QueueException e)
        {
            faults.Report(started, e);
            return PingTake.Empty;
        }
    }

    /// <inheritdoc/>
    public bool ArmKick()
    {
        if (_queue.IsBroken)
        {
            return true;
        }

        try
        {
            return !_queue.EnableKicks();
        }
        catch (QueueException e)
        {
            faults.Report(started, e);
            return true;
        }
    }

    /// <inheritdoc/>
    public void DisarmKick()
    {
        if (_queue.IsBroken)
        {
            return;
        }

        try
        {
            _queue.DisableKicks();
        }
        catch (QueueException e)
        {
            faults.Report(started, e);
        }
    }

    /// <inheritdoc/>
    public void Return(ushort head)
    {
        if (_queue.IsBroken)
        {
            return;
        }

        try
        {
            _queue.Return(head, 0);
        }
        catch (QueueException e)
        {
            faults.Report(started, e);
        }
    }

    /// <inheritdoc/>
    public bool MustSignal() => faults.MustCall(started);

    /// <inheritdoc/>
    public void Signal() => started.Call.Signal();
}
