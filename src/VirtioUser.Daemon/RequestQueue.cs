// Virtqueue 0 as the device model wants it.
using Virtio.Queues;
using Virtio.VhostUser;
using VirtioUser.Host.Config;

namespace VirtioUser.Daemon;

/// <summary>
/// Copies config requests out of their chains. A broken queue is empty; it throws no exception at each look, since the guest decides how
/// often that is.
/// </summary>
/// <param name="started">The queue.</param>
/// <param name="faults">Told when the driver has broken the rings.</param>
internal sealed class RequestQueue(StartedQueue started, QueueFaults faults) : IRequestQueue
{
    private readonly DeviceQueue _queue = started.Queue;

    /// <inheritdoc/>
    public bool TryTake(Span<byte> bytes, out int length)
    {
        length = 0;
        if (_queue.IsBroken)
        {
            return false;
        }

        try
        {
            if (!_queue.TryTake(out var chain))
            {
                return false;
            }

            length = chain.CopyTo(bytes);
            _queue.Return(chain.Head, 0);
            return true;
        }
        catch (QueueException e)
        {
            faults.Report(started, e);
            return false;
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
    public bool MustSignal() => faults.MustCall(started);

    /// <inheritdoc/>
    public void Signal() => started.Call.Signal();
}
