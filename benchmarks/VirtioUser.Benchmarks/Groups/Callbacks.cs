// Group 8: how many processors callbacks keep busy.
using VirtioUser.Benchmarks.Measuring;
using VirtioUser.Benchmarks.Processes;
using VirtioUser.Benchmarks.Reporting;
using VirtioUser.Guest;

namespace VirtioUser.Benchmarks.Groups;

/// <summary>A closed loop over the way without a VM: callbacks that spin, of one instance and of several.</summary>
internal sealed class Callbacks() : BenchmarkGroup(8, "callbacks")
{
    private const string Rest = "what the clients left of them";
    private const string Free = "all that were free for them";

    // Callbacks from this length on should leave nothing to be seen of what lies between them.
    private const int LongFrom = 100;

    private static readonly int[] Instances = [1, 2, 4, 16];
    private static readonly int[] Microseconds = [20, 100, 500, 900, 3000];

    /// <inheritdoc/>
    public override async Task<IReadOnlyList<Figure>> RunAsync(RunContext context, CancellationToken cancellationToken)
    {
        (var windows, var window, var warmUp) = context.Quick
            ? (2, TimeSpan.FromMilliseconds(120), TimeSpan.FromMilliseconds(80))
            : (3, TimeSpan.FromMilliseconds(400), TimeSpan.FromMilliseconds(200));
        await using var daemon = await ServerProcess.StartDaemonAsync(TimeSpan.Zero, Pings.EchoProject);
        using var source = DeviceSource.Daemon(daemon.SocketPath);
        context.BusyWith("callbacks: warming up");
        using (new ClosedLoop(source, Instances[^1], Microseconds[0]))
        {
            // What is compiled in the first second, and compiled again, is no cost of the first figure.
            await Task.Delay(TimeSpan.FromSeconds(1), cancellationToken);
        }

        List<Figure> figures = [];
        foreach (var microseconds in Microseconds)
        {
            foreach (var instances in Instances)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var name = $"processors busy, {Text(microseconds)} each, {(instances == 1 ? "1 instance" : $"{instances} instances")}";
                context.BusyWith(name);
                using ClosedLoop loop = new(source, instances, microseconds);
                await Task.Delay(warmUp, cancellationToken);
                CallbackWindows measured = new(daemon.Id, loop, instances, Environment.ProcessorCount);
                for (var i = 0; i < windows; i++)
                {
                    measured.Begin();
                    await Task.Delay(window, cancellationToken);
                    measured.End();
                }

                figures.Add(measured.ToFigure(name, Rest, Goal.RatioAtLeast(microseconds < LongFrom ? 0.7 : 0.9)));
                if (instances < Environment.ProcessorCount)
                {
                    // The clients had processors of their own: what they used was not taken from the callbacks.
                    figures.Add(measured.ToFigureOfFree(name, Free));
                }
            }
        }

        return figures;
    }

    private static string Text(int microseconds) => microseconds < 1000 ? $"{microseconds} us" : $"{microseconds / 1000} ms";
}
