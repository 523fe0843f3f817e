// Group 10: what each shortcut on the way of a ping buys.
using VirtioUser.Benchmarks.Measuring;
using VirtioUser.Benchmarks.Processes;
using VirtioUser.Benchmarks.Reporting;
using VirtioUser.Guest;
using VirtioUser.Host.Pings;

namespace VirtioUser.Benchmarks.Groups;

/// <summary>The daemon as it is beside the same daemon without one shortcut, where that shortcut counts. One that buys nothing has to go.</summary>
internal sealed class Ablations() : BenchmarkGroup(10, "shortcuts")
{
    private const int Several = 4;
    private const int InFlight = 64;
    private const int Idle = 16;

    /// <inheritdoc/>
    public override async Task<IReadOnlyList<Figure>> RunAsync(RunContext context, CancellationToken cancellationToken)
    {
        return
        [
            await CompareAsync(
                Shortcuts.Turns,
                $"pings a second, {InFlight} in flight, each of {Several} instances",
                "one ping a turn",
                Unit.ThousandsPerSecond,
                (name, source, daemon) => new RateContender(name, source, daemon, Several, InFlight)),
            await CompareAsync(
                Shortcuts.ComingBack,
                $"round trip, p50, beside {Idle} idle instances",
                "kicks still asked for at the answer",
                Unit.Microseconds,
                (name, source, daemon) => RoundTrip(name, source, daemon)),
        ];

        async Task<Figure> CompareAsync(string shortcut, string what, string without, Unit unit, Func<string, DeviceSource, int, Contender> start)
        {
            await using var daemon = await ServerProcess.StartDaemonAsync(TimeSpan.Zero, Pings.EchoProject);
            await using var other = await ServerProcess.StartDaemonWithoutAsync(shortcut, Pings.EchoProject);
            using DeviceSource ours = DeviceSource.Daemon(daemon.SocketPath), theirs = DeviceSource.Daemon(other.SocketPath);
            await using Contender with = start("virtio-userd", ours, daemon.Id), peer = start(without, theirs, other.Id);
            var all = await context.Rounds.MeasureAsync([with, peer], context.BusyWith, cancellationToken);
            return Figure.Of(what, unit, all[0], all[1], isFloor: false);
        }
    }

    private static RoundTripContender RoundTrip(string name, DeviceSource source, int daemon)
    {
        VirtioUserDevice[] open = [.. Enumerable.Range(0, Idle + 1).Select(_ => Pings.Open(source, BenchmarkDevices.Echo))];
        return new RoundTripContender(name, Pings.EchoOver(open[0]), [daemon], open);
    }
}
