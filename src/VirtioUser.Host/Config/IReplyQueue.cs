// The queue of config replies as the device model sees it.
using VirtioUser.Protocol;

namespace VirtioUser.Host.Config;

/// <summary>
/// A transport's queue of config replies (virtqueue 1). Called by one thread at a time, except for <see cref="IGuestSignal.Signal"/>. No
/// member may throw for what a guest does, or wait for it.
/// </summary>
public interface IReplyQueue : IGuestSignal
{
    /// <summary>Puts a reply into the next buffer of the guest that has room for it; the others go back unused.</summary>
    /// <param name="reply">The reply.</param>
    /// <returns>False when the guest has no such buffer there; a kick follows when one comes.</returns>
    bool TryPut(in ConfigMessage reply);

    /// <summary>After a <see cref="TryPut"/> that failed: whether buffers are there that it did not look at, so that no kick will come.</summary>
    bool HasMore { get; }
}
