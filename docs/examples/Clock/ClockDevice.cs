// The device of docs/write-a-device.md: versions, state, a log, and events that nobody asked for.
using Microsoft.Extensions.Logging;
using VirtioUser.Devices;
using VirtioUser.Protocol;

namespace Examples;

/// <summary>Device 1234:0002: ticks until the instance ends. Versions 1 (periods in seconds) and 2 (in milliseconds).</summary>
public sealed class ClockDevice : Device
{
    /// <inheritdoc/>
    public override DeviceIdentity Identity => new(0x1234, 0x0002, 2);

    /// <inheritdoc/>
    public override IReadOnlyList<uint> Versions => [1, 2];

    /// <inheritdoc/>
    public override DeviceInstance CreateInstance(InstanceContext context) => new Clock(context);

    private sealed class Clock : DeviceInstance
    {
        private readonly InstanceContext _context;
        private readonly Timer _timer;
        private uint _ticks;

        public Clock(InstanceContext context)
        {
            _context = context;
            _timer = new Timer(_ => Tick());
        }

        public override uint OnPing(in Ping ping)
        {
            if (ping.Metadata is 0 or > 3600)
            {
                return 0;
            }

            _timer.Change(0, (int)ping.Metadata * (_context.Identity.Version == 1 ? 1000 : 1));
            return 1;
        }

        protected override void Dispose(bool disposing)
        {
            _timer.Dispose();
            base.Dispose(disposing);
        }

        private void Tick()
        {
            var tick = Interlocked.Increment(ref _ticks);
            if (!_context.TrySendEvent(tick))
            {
                Log.TickLost(_context.Logger, tick);
            }
        }
    }
}

internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Debug, "Nobody took tick {Tick}")]
    public static partial void TickLost(ILogger logger, uint tick);
}
