// A queue that a device may work on.
using Virtio.Linux;
using Virtio.Queues;

namespace Virtio.VhostUser;

/// <summary>
/// A queue between <see cref="BackEndDevice.QueueStarted"/> and the return of <see cref="BackEndDevice.QueueStopping"/>.
/// Outside that time it must not be touched, except for <see cref="Call"/>, which then does nothing.
/// </summary>
public sealed class StartedQueue
{
    private readonly CallSignal _error;

    internal StartedQueue(int index, DeviceQueue queue, EventFd kick, CallSignal call, CallSignal error)
    {
        Index = index;
        Queue = queue;
        Kick = kick;
        Call = call;
        _error = error;
    }

    /// <summary>Which queue of the device it is.</summary>
    public int Index { get; }

    /// <summary>The rings. At most one thread for each side.</summary>
    public DeviceQueue Queue { get; }

    /// <summary>
    /// Signalled when the driver made chains available, and sometimes for nothing (at the start, for one). Owned by the
    /// back-end. Chains may be there already: look before the first wait.
    /// </summary>
    public EventFd Kick { get; }

    /// <summary>How to call the driver, when <see cref="DeviceQueue.MustCall"/> says so.</summary>
    public CallSignal Call { get; }

    /// <summary>Tells the front-end that the queue is broken, if it wants to know. From any thread.</summary>
    public void ReportError() => _error.Signal();
}
