// Group 4: what a ping allocates, and what the collector's work for one device costs another.
using System.Buffers.Binary;
using VirtioUser.Benchmarks.Measuring;
using VirtioUser.Benchmarks.Processes;
using VirtioUser.Benchmarks.Reporting;
using VirtioUser.Guest;

namespace VirtioUser.Benchmarks.Groups;

/// <summary>Managed bytes for each ping on both sides; the tail of one instance's round trips beside a busy one.</summary>
internal sealed class AllocationAndTail() : BenchmarkGroup(4, "allocation and tail")
{
    // Less than one small object in five hundred pings: what the runtime does for itself now and then.
    private const double Nothing = 0.05;

    private const int InFlight = 64;

    /// <inheritdoc/>
    public override async Task<IReadOnlyList<Figure>> RunAsync(RunContext context, CancellationToken cancellationToken)
    {
        await using var daemon = await ServerProcess.StartDaemonAsync(TimeSpan.Zero, Pings.EchoProject);
        using var source = DeviceSource.Daemon(daemon.SocketPath);
        return [.. MeasureAllocation(context, source), .. await MeasureTailAsync(context, source, daemon.Id, cancellationToken)];
    }

    private static IEnumerable<Figure> MeasureAllocation(RunContext context, DeviceSource source)
    {
        context.BusyWith("bytes allocated");
        using VirtioUserDevice probe = Pings.Open(source, BenchmarkDevices.Allocated), echo = Pings.Open(source, BenchmarkDevices.Echo);
        using var memory = probe.Allocate(sizeof(long));
        PingRequest[] requests = [.. Enumerable.Range(1, InFlight).Select(number => new PingRequest((ulong)number))];
        var answers = new uint[InFlight];
        var one = Pings.EchoOver(echo);
        var count = context.Quick ? 20_000 : 200_000;
        (var program, var daemon) = Allocated(count, one);
        (var programMany, var daemonMany) = Allocated(count / InFlight, () => echo.Ping(requests, answers));
        return
        [
            Bytes("bytes allocated for a ping, program", program),
            Bytes("bytes allocated for a ping, daemon", daemon),
            Bytes($"the same with {InFlight} in flight, program", programMany / InFlight),
            Bytes($"the same with {InFlight} in flight, daemon", daemonMany / InFlight),
        ];

        (double Program, double Daemon) Allocated(int times, Action action)
        {
            for (var i = 0; i < times / 10; i++)
            {
                action(); // until everything is compiled and every pool is filled
            }

            long daemonBefore = DaemonBytes(), before = GC.GetTotalAllocatedBytes(precise: true);
            for (var i = 0; i < times; i++)
            {
                action();
            }

            var after = GC.GetTotalAllocatedBytes(precise: true);
            return ((double)(after - before) / times, (double)(DaemonBytes() - daemonBefore) / times);
        }

        long DaemonBytes()
        {
            probe.Ping(new PingRequest(memory));
            return BinaryPrimitives.ReadInt64LittleEndian(memory.Span);
        }
    }

    private static Figure Bytes(string name, double value) => new()
    {
        Name = name,
        Unit = Unit.Bytes,
        Ours = value,
        IsFloor = true,
        Against = "nothing",
        Other = 0,
        Goal = Goal.OursAtMost(Nothing),
    };

    private static async Task<IEnumerable<Figure>> MeasureTailAsync(RunContext context, DeviceSource source, int daemon, CancellationToken cancellationToken)
    {
        await using Contender alone = new NeighbourContender("alone", source, daemon, null);
        await using Contender busy = new NeighbourContender("beside a busy plug-in", source, daemon, BenchmarkDevices.WithoutAllocating);
        await using Contender allocating = new NeighbourContender("beside a plug-in that allocates", source, daemon, 0);
        var all = await context.Rounds.MeasureAsync([allocating, alone, busy], context.BusyWith, cancellationToken);
        Series[] tails = [.. all.Select(series => series.By(sample => sample.Latencies!.P999))];
        return
        [
            Figure.Of("p99.9 beside a busy plug-in", Unit.Microseconds, tails[2], tails[1], isFloor: true, Goal.RatioAtMost(1.5)),
            Figure.Of("p99.9 beside a plug-in that allocates", Unit.Microseconds, tails[0], tails[1], isFloor: true, Goal.RatioAtMost(5)),
            Figure.Of("p99.9 beside a plug-in that allocates", Unit.Microseconds, tails[0], tails[2], isFloor: false),
            Figure.Of("p50 beside a plug-in that allocates", Unit.Microseconds, all[0], all[1], isFloor: true),
        ];
    }

    /// <summary>Round trips of one instance while a thread keeps another instance at work, or not.</summary>
    /// <param name="name">What people see.</param>
    /// <param name="source">Where the devices are.</param>
    /// <param name="daemon">The daemon's process.</param>
    /// <param name="work">Added to the metadata of the neighbour's pings; null = no neighbour.</param>
    private sealed class NeighbourContender(string name, DeviceSource source, int daemon, ulong? work) : Contender(name)
    {
        // About a tenth of a millisecond, and a megabyte.
        private const ulong Blocks = 1000;

        private readonly VirtioUserDevice _device = Pings.Open(source, BenchmarkDevices.Echo), _neighbour = Pings.Open(source, BenchmarkDevices.Work);

        public override Task<Sample> MeasureAsync(TimeSpan turn)
        {
            var stop = false;
            Thread thread = new(() =>
            {
                while (work is { } kind && !Volatile.Read(ref stop))
                {
                    _neighbour.Ping(new PingRequest(kind | Blocks));
                }
            });
            thread.Start();
            var before = CpuTime.WithOwn(daemon);
            var latencies = Latencies.Measure(turn, Pings.EchoOver(_device));
            var cpu = CpuTime.WithOwn(daemon) - before;
            Volatile.Write(ref stop, true);
            thread.Join();
            return Task.FromResult(Sample.Of(latencies, cpu));
        }

        public override ValueTask DisposeAsync()
        {
            _device.Dispose();
            _neighbour.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
