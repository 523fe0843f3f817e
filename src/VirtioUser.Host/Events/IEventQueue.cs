// The event queue as the device model sees it: take a buffer, fill it, signal.
using VirtioUser.Protocol;

namespace VirtioUser.Host.Events;

/// <summary>A transport's event queue (virtqueue 3). The device model calls it from one thread at a time.</summary>
public interface IEventQueue
{
    /// <summary>Puts an event into the next buffer of the guest.</summary>
    /// <param name="message">The event.</param>
    /// <returns>
    /// False when the guest has no buffer there; <see cref="Pings.IQueueWaiter.Wait"/> then returns when that changes.
    /// </returns>
    bool TryPut(in EventMessage message);

    /// <summary>Tells the guest about what was put, if it wants to know. Called after one or more puts.</summary>
    void Signal();
}
