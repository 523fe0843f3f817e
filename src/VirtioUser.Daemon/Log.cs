// Every line that the daemon itself can write.
using Microsoft.Extensions.Logging;
using Virtio.VhostUser;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon;

internal static partial class Log
{
    [LoggerMessage(100, LogLevel.Information, "Device {Device} from {Path}")]
    public static partial void DeviceOffered(ILogger logger, DeviceIdentity device, string path);

    [LoggerMessage(101, LogLevel.Information, "Listening on {Socket}; arena {ArenaSize} bytes. QEMU: {QemuArguments}")]
    public static partial void Listening(ILogger logger, string socket, ulong arenaSize, string qemuArguments);

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

    [LoggerMessage(110, LogLevel.Warning, "The driver broke queue {Queue}, which rests until the driver starts again: {Reason}")]
    public static partial void QueueBroken(ILogger logger, int queue, string reason);

    [LoggerMessage(111, LogLevel.Warning, "A config reply buffer has {Length} writable bytes, not {Needed}: it was given back unused")]
    public static partial void ReplyBufferTooSmall(ILogger logger, uint length, int needed);

    [LoggerMessage(112, LogLevel.Error, "The connection ended by a fault of the daemon")]
    public static partial void ConnectionBroke(ILogger logger, Exception exception);

    [LoggerMessage(113, LogLevel.Critical, "No front-end can connect any more: {Reason}")]
    public static partial void SocketFailed(ILogger logger, string reason);

    [LoggerMessage(114, LogLevel.Warning, "The connection could not be ended in time")]
    public static partial void StoppedTooLate(ILogger logger);

    [LoggerMessage(115, LogLevel.Warning, "A front-end that waited for its turn was turned away: {Reason}")]
    public static partial void TurnedAway(ILogger logger, string reason);
}
