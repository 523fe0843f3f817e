// What callbacks and clients used while a closed loop ran.
using System.Diagnostics;
using VirtioUser.Benchmarks.Reporting;

namespace VirtioUser.Benchmarks.Measuring;

/// <summary>Looks at a closed loop from time to time; it runs on meanwhile, so nothing is lost at the ends of a window.</summary>
/// <param name="daemon">The daemon's process.</param>
/// <param name="loop">The loop.</param>
/// <param name="instances">Callbacks of an instance run one after the other.</param>
/// <param name="processors">How many there are.</param>
internal sealed class CallbackWindows(int daemon, ClosedLoop loop, int instances, int processors)
{
    private readonly List<Sample> _callbacks = [], _rest = [], _free = [];
    private readonly List<double> _daemonProcessors = [], _clientProcessors = [];
    private (long Time, long Done, TimeSpan Daemon, TimeSpan Clients) _before;

    /// <summary>Begins a window.</summary>
    public void Begin() => _before = Look();

    /// <summary>Ends it.</summary>
    public void End()
    {
        var now = Look();
        var wall = Stopwatch.GetElapsedTime(_before.Time, now.Time);
        TimeSpan daemonTime = now.Daemon - _before.Daemon, clientTime = now.Clients - _before.Clients;
        var done = now.Done - _before.Done;
        _daemonProcessors.Add(daemonTime / wall);
        _clientProcessors.Add(clientTime / wall);
        _callbacks.Add(new Sample(TimeSpan.FromMicroseconds(loop.Microseconds) * done / wall, null, daemonTime, done));
        _rest.Add(new Sample(Math.Min(instances, processors) - clientTime / wall, null, clientTime, done));
        _free.Add(new Sample(Math.Min(instances, processors - clientTime / wall), null, clientTime, done));
    }

    /// <summary>The callbacks' processors, against min(instances, processors) less those of the clients.</summary>
    /// <param name="name">What was measured.</param>
    /// <param name="against">What people see for the other side.</param>
    /// <param name="goal">What was hoped for.</param>
    public Figure ToFigure(string name, string against, Goal goal) => ToFigure(name, against, _rest, goal);

    /// <summary>The callbacks' processors, against min(instances, processors less those of the clients).</summary>
    /// <param name="name">What was measured.</param>
    /// <param name="against">What people see for the other side.</param>
    public Figure ToFigureOfFree(string name, string against) => ToFigure(name, against, _free, null);

    private Figure ToFigure(string name, string against, IReadOnlyList<Sample> other, Goal? goal)
    {
        var figure = Figure.Of(name, Unit.Processors, new Series(name, _callbacks), new Series(against, other), isFloor: true, goal);
        return figure with
        {
            OursDetails = figure.OursDetails! with { Processors = Series.Median(_daemonProcessors) },
            OtherDetails = figure.OtherDetails! with { Processors = Series.Median(_clientProcessors) },
        };
    }

    private (long Time, long Done, TimeSpan Daemon, TimeSpan Clients) Look() =>
        (Stopwatch.GetTimestamp(), loop.Done, CpuTime.Of(daemon), Environment.CpuUsage.TotalTime);
}
