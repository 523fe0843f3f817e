// One line of the results.
using VirtioUser.Benchmarks.Measuring;

namespace VirtioUser.Benchmarks.Reporting;

/// <summary>What is known of one side of a figure beside the value that is compared; times in nanoseconds, null where not measured.</summary>
/// <param name="P50">Median latency.</param>
/// <param name="P99">99th percentile.</param>
/// <param name="P999">99.9th percentile.</param>
/// <param name="Cpu">Processor time of all processes for each operation.</param>
/// <param name="Processors">How many processors all processes of that side kept busy.</param>
internal sealed record Details(double? P50, double? P99, double? P999, double? Cpu, double? Processors = null)
{
    /// <summary>The details of a series.</summary>
    public static Details Of(Series series) => new(
        series.Latency(latencies => latencies.P50), series.Latency(latencies => latencies.P99), series.Latency(latencies => latencies.P999),
        series.Samples.Any(sample => sample.Cpu > TimeSpan.Zero) ? series.CpuPerOperation : null);
}

/// <summary>Our figure, what it is compared with, and what was hoped for.</summary>
internal sealed record Figure
{
    /// <summary>What was measured.</summary>
    public required string Name { get; init; }

    /// <summary>What the values are counted in.</summary>
    public required Unit Unit { get; init; }

    /// <summary>Our value.</summary>
    public required double Ours { get; init; }

    /// <summary>Whether the other side is a floor (what the machine takes at least) and not a peer (what one would use instead).</summary>
    public bool IsFloor { get; init; }

    /// <summary>Who the other side is; null if there is none.</summary>
    public string? Against { get; init; }

    /// <summary>The other side's value.</summary>
    public double? Other { get; init; }

    /// <summary>Ours divided by the other's.</summary>
    public double? Ratio { get; init; }

    /// <summary>What was hoped for, if anything.</summary>
    public Goal? Goal { get; init; }

    /// <summary>More about our side.</summary>
    public Details? OursDetails { get; init; }

    /// <summary>More about the other side.</summary>
    public Details? OtherDetails { get; init; }

    /// <summary>Whether the goal is reached; null without one.</summary>
    public bool? Holds => Goal?.Holds(Ours, Ratio);

    /// <summary>A figure from two series of the same rounds.</summary>
    /// <param name="name">What was measured.</param>
    /// <param name="unit">What the values are shown in.</param>
    /// <param name="ours">Our side.</param>
    /// <param name="other">The other side.</param>
    /// <param name="isFloor">Whether that is a floor.</param>
    /// <param name="goal">What was hoped for.</param>
    public static Figure Of(string name, Unit unit, Series ours, Series other, bool isFloor, Goal? goal = null) => new()
    {
        Name = name,
        Unit = unit,
        Ours = ours.Value * unit.PerBase,
        IsFloor = isFloor,
        Against = other.Name,
        Other = other.Value * unit.PerBase,
        Ratio = ours.RatioTo(other),
        Goal = goal,
        OursDetails = Details.Of(ours),
        OtherDetails = Details.Of(other),
    };
}
