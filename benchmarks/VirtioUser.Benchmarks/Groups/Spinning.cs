// Group 2: a round trip between two processes that poll while they wait.
using VirtioUser.Benchmarks.Measuring;
using VirtioUser.Benchmarks.Processes;
using VirtioUser.Benchmarks.Reporting;

namespace VirtioUser.Benchmarks.Groups;

/// <summary>Both sides poll before they sleep: against what it takes to send a cache line to another core and back.</summary>
internal sealed class Spinning() : BenchmarkGroup(2, "native round trip, spinning")
{
    private static readonly TimeSpan PollTime = TimeSpan.FromMicroseconds(200);

    /// <inheritdoc/>
    public override async Task<IReadOnlyList<Figure>> RunAsync(RunContext context, CancellationToken cancellationToken)
    {
        var programs = await NativePrograms.PrepareAsync(cancellationToken);
        await using var ours = await Pings.StartEchoAsync("virtio-user, spinning", PollTime);
        await using Contender floor = new NativeContender("a cache line, two threads in C", programs.Floors, ["cacheline", Placement.Apart.Processor]);
        await using var sleeping = await Pings.StartEchoAsync("virtio-user, sleeping", TimeSpan.Zero);
        var all = await Placement.Apart.MeasureAsync([ours, floor, sleeping], context.Rounds, context.BusyWith, cancellationToken);
        return
        [
            Figure.Of("round trip, p50", Unit.Microseconds, all[0], all[1], isFloor: true, Goal.RatioAtMost(4)),
            Figure.Of("round trip, p50", Unit.Microseconds, all[0], all[2], isFloor: false),
        ];
    }
}
