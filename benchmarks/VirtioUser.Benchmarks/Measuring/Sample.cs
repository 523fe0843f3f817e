// What one turn of one contender says.
namespace VirtioUser.Benchmarks.Measuring;

/// <summary>The figures of a turn.</summary>
/// <param name="Value">What is compared: nanoseconds, or operations a second.</param>
/// <param name="Latencies">Percentiles, if each operation was timed.</param>
/// <param name="Cpu">Processor time of all processes of the contender.</param>
/// <param name="Operations">How many operations.</param>
internal sealed record Sample(double Value, Latencies? Latencies, TimeSpan Cpu, long Operations)
{
    /// <summary>The sample of a turn of round trips: compared by their median.</summary>
    public static Sample Of(Latencies latencies, TimeSpan cpu) => new(latencies.P50, latencies, cpu, latencies.Count);
}
