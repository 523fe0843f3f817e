// Group 9: what connections cost, and what one does to another.
using System.Diagnostics;
using VirtioUser.Benchmarks.Measuring;
using VirtioUser.Benchmarks.Processes;
using VirtioUser.Benchmarks.Reporting;
using VirtioUser.Vm;

namespace VirtioUser.Benchmarks.Groups;

/// <summary>Many programs with one daemon; one that waits for nothing beside one that lets the daemon wait.</summary>
internal sealed class Connections() : BenchmarkGroup(9, "connections")
{
    private const int Many = 100;
    private const int Hostile = 64;
    private const double MostSleeps = 0.5;

    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan IdleSettling = TimeSpan.FromSeconds(7);
    private static readonly TimeSpan IdleTime = TimeSpan.FromSeconds(2);

    /// <inheritdoc/>
    public override async Task<IReadOnlyList<Figure>> RunAsync(RunContext context, CancellationToken cancellationToken)
    {
        // Idle while the others are measured: what the runtime and the host do once, some seconds after a start, is over then.
        await using var idle = await ServerProcess.StartDaemonAsync(TimeSpan.Zero, Pings.EchoProject);
        await using var client = await Client.ConnectAsync(idle);
        var began = Stopwatch.GetTimestamp();
        List<Figure> figures =
        [
            .. await OrLeaveOutAsync(context, $"{Many} connections in one daemon", () => MeasureManyAsync(context, cancellationToken)),
            .. await OrLeaveOutAsync(
                context, $"p99 beside a connection with {Hostile} hanging callbacks and {Hostile} blocked calls",
                () => MeasureBesideHostileAsync(context, cancellationToken)),
        ];
        context.BusyWith("idle");
        await Task.Delay(TimeSpan.FromTicks(Math.Max(0, (IdleSettling - Stopwatch.GetElapsedTime(began)).Ticks)), cancellationToken);
        return [.. figures, await MeasureIdleAsync(idle, cancellationToken)];
    }

    private static async Task<IEnumerable<Figure>> OrLeaveOutAsync(RunContext context, string name, Func<Task<Figure[]>> measure)
    {
        try
        {
            return await measure();
        }
        catch (NotServedException e)
        {
            context.LeaveOut(LeftOut.Because(name, e));
            return [];
        }
    }

    private static async Task<Figure> MeasureIdleAsync(ServerProcess daemon, CancellationToken cancellationToken)
    {
        var before = SleepCounts.Of(daemon.Id);
        await Task.Delay(IdleTime, cancellationToken);
        return new Figure
        {
            Name = "wake-ups a second of an idle daemon with one instance",
            Unit = Unit.TimesPerSecond,
            Ours = SleepCounts.Of(daemon.Id).Since(before) / IdleTime.TotalSeconds,
            IsFloor = true,
            Against = "nothing",
            Other = 0,
            Goal = Goal.OursAtMost(MostSleeps),
        };
    }

    private static async Task<Figure[]> MeasureManyAsync(RunContext context, CancellationToken cancellationToken)
    {
        await using var daemon = await ServerProcess.StartDaemonAsync(TimeSpan.Zero, Pings.EchoProject);
        List<Client> clients = [await Client.ConnectAsync(daemon)];
        try
        {
            await Task.Delay(Settling, cancellationToken);
            var threads = daemon.Threads();
            var bytes = daemon.ResidentBytes();
            while (clients.Count < Many)
            {
                cancellationToken.ThrowIfCancellationRequested();
                context.BusyWith($"connection {clients.Count + 1} of {Many}");
                clients.Add(await Client.ConnectAsync(daemon));
            }

            clients.ForEach(client => client.Ping());
            await Task.Delay(Settling, cancellationToken);
            return
            [
                Beyond("memory", Unit.Mebibytes, daemon.ResidentBytes() * Unit.Mebibytes.PerBase, bytes * Unit.Mebibytes.PerBase),
                Beyond("threads", Unit.Threads, daemon.Threads(), threads),
            ];
        }
        finally
        {
            foreach (var client in clients)
            {
                await client.DisposeAsync();
            }
        }
    }

    private static Figure Beyond(string what, Unit unit, double all, double first) => new()
    {
        Name = $"{what} of each of {Many} connections beyond the first",
        Unit = unit,
        Ours = (all - first) / (Many - 1),
        IsFloor = true,
        Against = "the daemon with one connection",
        Other = first,
        Ratio = (all - first) / (Many - 1) / first,
        Goal = Goal.OursAtMost(2),
    };

    private static async Task<Figure[]> MeasureBesideHostileAsync(RunContext context, CancellationToken cancellationToken)
    {
        var programs = await NativePrograms.PrepareAsync(cancellationToken);
        await using var aloneDaemon = await ServerProcess.StartDaemonAsync(TimeSpan.Zero, Pings.EchoProject);
        await using var besideDaemon = await ServerProcess.StartDaemonAsync(TimeSpan.Zero, Pings.EchoProject);
        await using var aloneClient = await Client.ConnectAsync(aloneDaemon);
        await using var besideClient = await Client.ConnectAsync(besideDaemon);
        context.BusyWith("a hostile connection");
        await using var hostile = await StartHostileAsync(programs, besideDaemon);
        RoundTripContender alone = new("alone", aloneClient.Ping, [aloneDaemon.Id]), beside = new("beside it", besideClient.Ping, [besideDaemon.Id]);
        var all = await context.Rounds.MeasureAsync([beside, alone], context.BusyWith, cancellationToken);
        Series[] tails = [.. all.Select(series => series.By(sample => sample.Latencies!.P99))];
        return
        [
            Figure.Of(
                $"p99 beside a connection with {Hostile} hanging callbacks and {Hostile} blocked calls",
                Unit.Microseconds, tails[0], tails[1], isFloor: true, Goal.RatioAtMost(1.5)),
        ];
    }

    private static async Task<ServerProcess> StartHostileAsync(NativePrograms programs, ServerProcess daemon)
    {
        try
        {
            return await programs.StartHostileAsync(daemon.SocketPath, Hostile);
        }
        catch (SetupException e)
        {
            throw new NotServedException(e);
        }
    }
}
