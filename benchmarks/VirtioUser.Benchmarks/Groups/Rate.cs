// Group 3: how many pings go through in a second.
using System.Globalization;
using VirtioUser.Benchmarks.Measuring;
using VirtioUser.Benchmarks.Processes;
using VirtioUser.Benchmarks.Reporting;
using VirtioUser.Guest;

namespace VirtioUser.Benchmarks.Groups;

/// <summary>The same program in C# drives virtio-userd and the back-end in C, with several pings in flight, from one thread and from several.</summary>
internal sealed class Rate() : BenchmarkGroup(3, "rate")
{
    private const int Several = 4;

    private static readonly int[] InFlight = [1, 8, 64];

    /// <inheritdoc/>
    public override async Task<IReadOnlyList<Figure>> RunAsync(RunContext context, CancellationToken cancellationToken)
    {
        var programs = await NativePrograms.PrepareAsync(cancellationToken);
        await using var daemon = await ServerProcess.StartDaemonAsync(TimeSpan.Zero, Pings.EchoProject);
        await using var native = await programs.StartBackEndAsync();
        using DeviceSource ours = DeviceSource.Daemon(daemon.SocketPath), theirs = DeviceSource.Daemon(native.SocketPath);
        List<Figure> figures = [];
        foreach (var instances in (int[])[1, Several])
        {
            foreach (var inFlight in InFlight)
            {
                await using Contender own = new RateContender("virtio-userd", ours, daemon.Id, instances, inFlight);
                await using Contender peer = new RateContender("back-end in C, same program in C#", theirs, native.Id, instances, inFlight);
                await using var floor = instances == 1 ? await StartNativeAsync(programs, inFlight) : null;
                var placement = instances == 1 ? Placement.Apart : Placement.Any;
                var all = await placement.MeasureAsync(
                    floor is null ? [own, peer] : [own, peer, floor], context.ShortRounds, context.BusyWith, cancellationToken);
                var name = $"pings a second, {inFlight} in flight, {(instances == 1 ? "1 instance" : $"each of {instances} instances")}{placement.Name}";
                figures.Add(Figure.Of(name, Unit.ThousandsPerSecond, all[0], all[1], isFloor: false, Goal.RatioAtLeast(0.9)));
                if (floor is not null)
                {
                    figures.Add(Figure.Of(name, Unit.ThousandsPerSecond, all[0], all[2], isFloor: true));
                }
            }
        }

        return figures;
    }

    private static async Task<Contender> StartNativeAsync(NativePrograms programs, int inFlight)
    {
        var backEnd = await programs.StartBackEndAsync();
        return new NativeContender("both sides in C", programs.Driver, [inFlight.ToString(CultureInfo.InvariantCulture), backEnd.SocketPath], backEnd, inFlight);
    }
}
