// Signals in the place of devices, which a guest must not hold up.
using VirtioUser.Host.Workers;

namespace VirtioUser.Host.Events;

/// <summary>
/// Has a worker signal one guest and send what is left, for threads that may wait for nothing. However often that is asked for, at most one
/// worker is held by the guest's descriptor. Any thread.
/// </summary>
internal sealed class DeferredSignal(EventOutbox outbox, WorkerPool workers) : IWork
{
    private long _asked; // more than 0 from the first request until the last one is done

    /// <summary>Has what was sent before this signalled soon. Waits for nothing.</summary>
    public void Request()
    {
        if (Interlocked.Increment(ref _asked) == 1)
        {
            workers.Post(this);
        }
    }

    /// <inheritdoc/>
    public void Run()
    {
        long done;
        do
        {
            done = Volatile.Read(ref _asked);
            outbox.SignalOwed();
            Seam.Pass();
        }
        while (Interlocked.Add(ref _asked, -done) != 0);
    }
}
