// Every line that the device model can write.
using Microsoft.Extensions.Logging;
using VirtioUser.Protocol;

namespace VirtioUser.Host;

internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Warning, "{Count} guest-triggered log messages suppressed")]
    public static partial void LinesSuppressed(ILogger logger, long count);

    [LoggerMessage(2, LogLevel.Debug, "Instance {Handle} of {Device} created")]
    public static partial void InstanceCreated(ILogger logger, ulong handle, DeviceIdentity device);

    [LoggerMessage(3, LogLevel.Debug, "Instance {Handle} of {Device} ended")]
    public static partial void InstanceEnded(ILogger logger, ulong handle, DeviceIdentity device);

    [LoggerMessage(4, LogLevel.Error, "Instance {Handle} of {Device} ended: its ping callback threw")]
    public static partial void PingThrew(ILogger logger, ulong handle, DeviceIdentity device, Exception exception);

    [LoggerMessage(5, LogLevel.Error, "Instance {Handle} of {Device}: ending it threw")]
    public static partial void DisposeThrew(ILogger logger, ulong handle, DeviceIdentity device, Exception exception);

    [LoggerMessage(6, LogLevel.Error, "{Device} refused an instance: making it threw")]
    public static partial void CreateThrew(ILogger logger, DeviceIdentity device, Exception exception);

    [LoggerMessage(7, LogLevel.Error, "{Device} did not make an instance within {Seconds} s")]
    public static partial void CreateTimedOut(ILogger logger, DeviceIdentity device, double seconds);

    [LoggerMessage(8, LogLevel.Warning, "Instance {Handle} of {Device} is still in a callback {Seconds} s after the guest closed it; it ends when the callback returns")]
    public static partial void DestroyTimedOut(ILogger logger, ulong handle, DeviceIdentity device, double seconds);

    [LoggerMessage(9, LogLevel.Warning, "Ping rejected: {Reason} (instance {Handle}, object {ShmId}, offset {Offset}, size {Size})")]
    public static partial void PingRejected(ILogger logger, string reason, ulong handle, ulong shmId, ulong offset, ulong size);

    [LoggerMessage(10, LogLevel.Warning, "Ping rejected: the buffer is not {Size} readable bytes")]
    public static partial void PingMalformed(ILogger logger, int size);

    [LoggerMessage(11, LogLevel.Warning, "Config request {Operation} answered with {Error}: {Reason}")]
    public static partial void ConfigRefused(ILogger logger, ConfigOperation operation, ConfigError error, string reason);

    [LoggerMessage(12, LogLevel.Debug, "Instance {Handle} of {Device} ends when its device is done with it")]
    public static partial void InstanceEndsLater(ILogger logger, ulong handle, DeviceIdentity device);

    [LoggerMessage(13, LogLevel.Debug, "Instance {Handle} of {Device}: a ping failed with code {Code}: {Reason}")]
    public static partial void PingFailed(ILogger logger, ulong handle, DeviceIdentity device, int code, string reason);

    [LoggerMessage(14, LogLevel.Error, "The system has no thread left: kicks wait until a callback returns or there is one")]
    public static partial void NoThread(ILogger logger);

    [LoggerMessage(16, LogLevel.Warning, "{Device} can not map {Size} bytes of its own at {HostPointer:x} to {PhysicalAddress:x}: {Reason}")]
    public static partial void MapRefused(ILogger logger, DeviceIdentity device, ulong size, ulong hostPointer, ulong physicalAddress, string reason);

    [LoggerMessage(17, LogLevel.Warning, "{Device} can not unmap {Size} bytes at {PhysicalAddress:x}: {Reason}")]
    public static partial void UnmapRefused(ILogger logger, DeviceIdentity device, ulong size, ulong physicalAddress, string reason);

    [LoggerMessage(EventId = 18, Message = "{Text}")]
    public static partial void PluginSays(ILogger logger, LogLevel level, string text);

    [LoggerMessage(19, LogLevel.Warning, "{Device} can not hold {Size} bytes at {PhysicalAddress:x} for instance {Handle}: {Reason}")]
    public static partial void HoldRefused(ILogger logger, DeviceIdentity device, ulong size, ulong physicalAddress, ulong handle, string reason);

    [LoggerMessage(15, LogLevel.Error, "Shared memory at {Offset}, {Size} bytes, could not be given back; it stays unused")]
    public static partial void DiscardFailed(ILogger logger, ulong offset, ulong size, Exception exception);

    [LoggerMessage(21, LogLevel.Critical, "Shared memory at {Offset}, {Size} bytes, could not be emptied: the next driver may see what was in it")]
    public static partial void NotEmptied(ILogger logger, ulong offset, ulong size, Exception exception);
}
