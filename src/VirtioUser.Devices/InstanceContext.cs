// What an instance may ask of the host.
using Microsoft.Extensions.Logging;
using VirtioUser.Protocol;

namespace VirtioUser.Devices;

/// <summary>Given to an instance when it is made. All members may be used from any thread.</summary>
public abstract class InstanceContext
{
    /// <summary>A number for the instance: never 0, never used twice while the daemon lives, and not what the guest calls it.</summary>
    public abstract ulong Handle { get; }

    /// <summary>Vendor, device, and the version that this instance has.</summary>
    public abstract DeviceIdentity Identity { get; }

    /// <summary>A log whose lines name the instance.</summary>
    public abstract ILogger Logger { get; }

    /// <summary>
    /// Sends an event that no ping asked for; the guest sees <paramref name="revents"/> with bit 30 set.
    /// Waits for nothing: a thread of the host signals the guest. Each instance has room for a bounded number that the guest has not taken yet.
    /// </summary>
    /// <param name="revents">Bits 0 to 29; higher bits are taken off.</param>
    /// <returns>False if the event was dropped: no room (the guest is told that events were lost), or the instance has ended.</returns>
    public abstract bool TrySendEvent(uint revents);

    /// <summary>Cancelled when the instance ends. Callbacks that take long look at it.</summary>
    public virtual CancellationToken Ending => CancellationToken.None;

    /// <summary>The same as <see cref="TrySendEvent"/>, but the task waits for room: no event is lost, and the guest sets the pace.</summary>
    /// <param name="revents">Bits 0 to 29; higher bits are taken off.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>False if the instance has ended.</returns>
    /// <exception cref="OperationCanceledException">The wait was cancelled.</exception>
    public virtual ValueTask<bool> SendEventAsync(uint revents, CancellationToken cancellationToken = default) => new(TrySendEvent(revents));

    /// <summary>
    /// Keeps the bytes that a ping names valid for longer than its callback: for work that goes on after it. Dispose of what is
    /// returned when the work is done; the end of the instance, after its Dispose, ends it too. An instance can hold 64 at a time, the
    /// same bytes more than once.
    /// </summary>
    /// <param name="ping">The ping; of this instance.</param>
    /// <returns>
    /// Null if the ping names no bytes, if the guest has freed the object during the callback, or if 64 are held already.
    /// </returns>
    public HeldRange? TryHold(in Ping ping) => ping.Length == 0 ? null : TryHold(ping.ShmId, ping.Range);

    /// <summary>The same for the bytes of an asynchronous ping, to keep them for longer than its task.</summary>
    /// <param name="ping">The ping; of this instance.</param>
    /// <returns>As above.</returns>
    public HeldRange? TryHold(in AsyncPing ping) => ping.Length == 0 ? null : TryHold(ping.ShmId, ping.Range);

    /// <summary>The host's part of <see cref="TryHold(in Ping)"/>. One that can not hold anything returns null.</summary>
    /// <param name="shmId">The object.</param>
    /// <param name="range">Not empty; inside the object, and valid during the callback.</param>
    protected virtual HeldRange? TryHold(ulong shmId, SharedRange range) => null;
}
