// The device whose callbacks take time.
using System.Diagnostics;
using VirtioUser.Devices;
using VirtioUser.Protocol;

namespace VirtioUser.Benchmarks;

/// <summary>Spins for as many microseconds of processor time as the metadata says, or hangs.</summary>
public sealed class SpinDevice : Device
{
    /// <inheritdoc/>
    public override DeviceIdentity Identity => new(BenchmarkDevices.Vendor, BenchmarkDevices.Spin, BenchmarkDevices.Version);

    /// <inheritdoc/>
    public override DeviceInstance CreateInstance(InstanceContext context) => new Instance();

    private sealed class Instance : DeviceInstance
    {
        // The clock is read many times in a microsecond: after a longer step the thread had not had its processor.
        private static readonly long LongestStep = Math.Max(1, TicksOf(microseconds: 2));

        public override uint OnPing(in Ping ping)
        {
            if ((ping.Metadata & BenchmarkDevices.Hang) != 0)
            {
                Thread.Sleep(Timeout.Infinite);
            }

            Spin(TicksOf((uint)ping.Metadata));
            return (uint)ping.Metadata;
        }

        // What lies between two looks at the clock counts as processor time up to the longest step only: time in which
        // others had the processor must not look like work.
        private static void Spin(long ticks)
        {
            var before = Stopwatch.GetTimestamp();
            while (ticks > 0)
            {
                var now = Stopwatch.GetTimestamp();
                ticks -= Math.Min(now - before, LongestStep);
                before = now;
            }
        }

        private static long TicksOf(uint microseconds) => microseconds * Stopwatch.Frequency / 1_000_000;
    }
}
