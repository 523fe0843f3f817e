// A group of figures.
using VirtioUser.Benchmarks.Measuring;
using VirtioUser.Benchmarks.Reporting;

namespace VirtioUser.Benchmarks.Groups;

/// <summary>What a group needs of the run that it is part of.</summary>
/// <param name="Quick">Whether it is to be over soon: figures are noisier then.</param>
/// <param name="BusyWith">Told what goes on, for people.</param>
/// <param name="LeaveOut">Told what the group does without.</param>
internal sealed record RunContext(bool Quick, Action<string> BusyWith, Action<LeftOut> LeaveOut)
{
    /// <summary>Rounds for things of which thousands fit into a turn. Many short turns: where Linux puts processes changes between turns.</summary>
    public Rounds Rounds => Quick
        ? new Rounds(3, TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(100))
        : new Rounds(9, TimeSpan.FromMilliseconds(250), TimeSpan.FromMilliseconds(500));

    /// <summary>Rounds where there are many contenders.</summary>
    public Rounds ShortRounds => Quick
        ? new Rounds(3, TimeSpan.FromMilliseconds(60), TimeSpan.FromMilliseconds(60))
        : new Rounds(9, TimeSpan.FromMilliseconds(200), TimeSpan.FromMilliseconds(400));
}

/// <summary>Measures figures that belong together.</summary>
/// <param name="number">Its number, which chooses it on the command line.</param>
/// <param name="title">What people see.</param>
internal abstract class BenchmarkGroup(int number, string title)
{
    /// <summary>All groups, in the order of their numbers.</summary>
    public static IReadOnlyList<BenchmarkGroup> All { get; } =
        [new NativeRoundTrip(), new Spinning(), new Rate(), new AllocationAndTail(), new Scale(), new InTheVm(), new Video(), new Callbacks(), new Connections(), new Ablations()];

    /// <summary>Its number, from 1.</summary>
    public int Number => number;

    /// <summary>What people see.</summary>
    public string Title => title;

    /// <summary>The name of its chart.</summary>
    public string ChartName => $"{number}-{title.Replace(", ", "-", StringComparison.Ordinal).Replace(' ', '-')}.svg";

    /// <summary>Measures.</summary>
    /// <param name="context">The run.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    public abstract Task<IReadOnlyList<Figure>> RunAsync(RunContext context, CancellationToken cancellationToken);
}
