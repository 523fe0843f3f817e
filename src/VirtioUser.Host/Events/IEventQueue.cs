// The event queue as the device model sees it: take a buffer, fill it, signal.
using VirtioUser.Protocol;

namespace VirtioUser.Host.Events;

/// <summary>
/// A transport's event queue (virtqueue 3). Called by one thread at a time, except for <see cref="IGuestSignal.Signal"/>.
/// </summary>
public interface IEventQueue : IGuestSignal
{
    /// <summary>Puts an event into the next buffer of the guest.</summary>
    /// <param name="message">The event.</param>
    /// <returns>
    /// False when the guest has no buffer there; a kick for this device model follows when that changes.
    /// </returns>
    bool TryPut(in EventMessage message);

    /// <summary>After a <see cref="TryPut"/> that failed: whether buffers are there that it did not look at, so that no kick will come.</summary>
    bool HasMore { get; }
}
