// All turns of one contender.
namespace VirtioUser.Benchmarks.Measuring;

/// <summary>The samples of one contender, in the order of the rounds.</summary>
/// <param name="Name">The contender.</param>
/// <param name="Samples">One for each round.</param>
internal sealed record Series(string Name, IReadOnlyList<Sample> Samples)
{
    /// <summary>The median of what is compared.</summary>
    public double Value => Median(Samples.Select(sample => sample.Value));

    /// <summary>Processor time for each operation, in nanoseconds.</summary>
    public double CpuPerOperation => Samples.Sum(sample => sample.Cpu.TotalNanoseconds) / Math.Max(1, Samples.Sum(sample => sample.Operations));

    /// <summary>The median of a percentile, in nanoseconds; null if operations were not timed one by one.</summary>
    /// <param name="percentile">Which.</param>
    public double? Latency(Func<Latencies, double> percentile) =>
        Samples.All(sample => sample.Latencies is not null) ? Median(Samples.Select(sample => percentile(sample.Latencies!))) : null;

    /// <summary>The median of the ratios of the rounds: what both sides met at the same time is compared.</summary>
    /// <param name="other">What this is divided by.</param>
    public double RatioTo(Series other) => Median(Samples.Zip(other.Samples, (own, its) => own.Value / its.Value));

    /// <summary>The same turns, compared by something else.</summary>
    /// <param name="value">What is compared.</param>
    public Series By(Func<Sample, double> value) => new(Name, [.. Samples.Select(sample => sample with { Value = value(sample) })]);

    /// <summary>The median.</summary>
    /// <param name="values">At least one.</param>
    public static double Median(IEnumerable<double> values)
    {
        double[] ascending = [.. values.Order()];
        var middle = ascending.Length / 2;
        return ascending.Length % 2 == 1 ? ascending[middle] : (ascending[middle - 1] + ascending[middle]) / 2;
    }
}
