// Every line that the daemon itself can write.
using Microsoft.Extensions.Logging;
using Virtio.VhostUser;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon;

internal static partial class Log
{
    [LoggerMessage(100, LogLevel.Information, "Device {Device} from {Path}")]
    public static partial void DeviceOffered(ILogger logger, DeviceIdentity device, string path);

    [LoggerMessage(101, LogLevel.Information, "Listening on {Socket} as {Listener}; arena {ArenaSize} bytes for each connection. QEMU: {QemuArguments}")]
    public static partial void Listening(ILogger logger, string socket, string listener, ulong arenaSize, string qemuArguments);

    [LoggerMessage(102, LogLevel.Information, "A front-end connected")]
    public static partial void Connected(ILogger logger);

    [LoggerMessage(103, LogLevel.Information, "The front-end disconnected")]
    public static partial void Disconnected(ILogger logger);

    [LoggerMessage(104, LogLevel.Error, "The connection ended: {Reason}")]
    public static partial void ConnectionFailed(ILogger logger, string reason);

    [LoggerMessage(105, LogLevel.Warning, "Front-end message {Request} refused: {Reason}")]
    public static partial void MessageRefused(ILogger logger, FrontEndRequest request, string reason);

    [LoggerMessage(106, LogLevel.Information, "A driver starts the device (new: {Fresh})")]
    public static partial void DriverStarted(ILogger logger, bool fresh);

    [LoggerMessage(107, LogLevel.Debug, "The device is stopped")]
    public static partial void DriverStopped(ILogger logger);

    [LoggerMessage(108, LogLevel.Information, "The guest sees the arena at {Address:x}")]
    public static partial void ArenaVisible(ILogger logger, ulong address);

    [LoggerMessage(109, LogLevel.Error, "The arena could not be mapped into the guest, so allocations will fail: {Reason}")]
    public static partial void ArenaFailed(ILogger logger, string reason);

    [LoggerMessage(110, LogLevel.Warning, "The driver broke queue {Queue}, which is disabled until the next driver start: {Reason}")]
    public static partial void QueueBroken(ILogger logger, int queue, string reason);

    [LoggerMessage(111, LogLevel.Warning, "A config reply buffer has {Length} writable bytes, not {Needed}: it was given back unused")]
    public static partial void ReplyBufferTooSmall(ILogger logger, uint length, int needed);

    [LoggerMessage(112, LogLevel.Error, "The connection ended by a fault of the daemon")]
    public static partial void ConnectionBroke(ILogger logger, Exception exception);

    [LoggerMessage(113, LogLevel.Critical, "No front-end can connect any more: {Reason}")]
    public static partial void SocketFailed(ILogger logger, string reason);

    [LoggerMessage(114, LogLevel.Warning, "Not everything has ended in time: a callback runs still")]
    public static partial void StoppedTooLate(ILogger logger);

    [LoggerMessage(115, LogLevel.Warning, "The connection ends: it has had no running driver for {Seconds} s, and another front-end waits")]
    public static partial void Yielded(ILogger logger, double seconds);

    [LoggerMessage(116, LogLevel.Warning, "No front-end can connect at the moment, which is tried again: no descriptor or memory is left")]
    public static partial void AcceptFailed(ILogger logger);

    [LoggerMessage(117, LogLevel.Error, "What a connection had could not be given back")]
    public static partial void EndFailed(ILogger logger, Exception exception);

    [LoggerMessage(118, LogLevel.Warning, "The front-end has mapped the arena, but did not list it in its memory table within {Milliseconds} ms. QEMU does so where the VM's memory is in 8 parts already: if the guest gets no memory, use fewer memory devices")]
    public static partial void ArenaNotListed(ILogger logger, double milliseconds);

    [LoggerMessage(119, LogLevel.Warning, "The guest's requests wait: it does not see the arena after {Seconds} s. The front-end has not answered the request to map it, or has taken it out of its memory table; see its own messages, and use fewer memory devices")]
    public static partial void ArenaAwaited(ILogger logger, double seconds);

    [LoggerMessage(120, LogLevel.Warning, "A front-end that waited to be served was turned away: {Reason}")]
    public static partial void TurnedAway(ILogger logger, string reason);

    [LoggerMessage(121, LogLevel.Warning, "A connection has not ended within {Seconds} s: its front-end has the system hold its thread. It is left behind, and a front-end that waits is served")]
    public static partial void LeftBehind(ILogger logger, double seconds);

    [LoggerMessage(130, LogLevel.Warning, "A device has not ended within {Seconds} s")]
    public static partial void DevicesEndTooLate(ILogger logger, double seconds);

    [LoggerMessage(131, LogLevel.Error, "Ending the devices failed")]
    public static partial void DevicesEndThrew(ILogger logger, Exception exception);
}
