// How a device signals the driver of a queue.
using Virtio.Linux;

namespace Virtio.VhostUser;

/// <summary>
/// The call descriptor of a queue (or its error descriptor), which the front-end may replace at any time. <see cref="Signal"/> may come from any
/// thread, at any time, also while it is being replaced.
/// </summary>
public sealed class CallSignal
{
    EventFd? _call;

    internal CallSignal()
    {
    }

    /// <summary>Signals; does nothing while the front-end has not given a descriptor (it polls then). Allocates nothing.</summary>
    public void Signal()
    {
        while (Volatile.Read(ref _call) is { } call)
        {
            try
            {
                call.Signal();
                return;
            }
            catch (ObjectDisposedException)
            {
                // Replaced between the two lines above; whoever did it stored the new one before closing the old.
            }
        }
    }

    /// <summary>Puts another descriptor in place, which this owns from now on, and closes the one before.</summary>
    internal void Replace(EventFd? call) => Interlocked.Exchange(ref _call, call)?.Dispose();
}
