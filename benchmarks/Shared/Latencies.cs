// What a turn of round trips says: percentiles.
using System.Diagnostics;

namespace VirtioUser.Benchmarks.Measuring;

/// <summary>The latencies of one turn, in nanoseconds. One turn at a time is measured in a process.</summary>
/// <param name="P50">The median.</param>
/// <param name="P99">The 99th percentile.</param>
/// <param name="P999">The 99.9th percentile.</param>
/// <param name="Mean">Wall time divided by the count.</param>
/// <param name="Count">How many round trips.</param>
internal sealed record Latencies(double P50, double P99, double P999, double Mean, long Count)
{
    // More than a turn has at a round trip of a tenth of a microsecond and the longest turn.
    private const int MaxCount = 1 << 22;

    private static readonly long[] Ticks = new long[MaxCount];

    /// <summary>Makes round trips on this thread for a time; allocates nothing meanwhile.</summary>
    /// <param name="turn">How long.</param>
    /// <param name="roundTrip">Makes one.</param>
    public static Latencies Measure(TimeSpan turn, Action roundTrip)
    {
        ArgumentNullException.ThrowIfNull(roundTrip);
        var began = Stopwatch.GetTimestamp();
        var end = EndOf(turn, began);
        var before = began;
        var count = 0;
        do
        {
            roundTrip();
            var now = Stopwatch.GetTimestamp();
            Ticks[count++] = now - before;
            before = now;
        }
        while (before < end && count < MaxCount);
        return Sum(count, before - began);
    }

    /// <summary>The same for round trips that are awaited.</summary>
    /// <param name="turn">How long.</param>
    /// <param name="roundTrip">Makes one.</param>
    public static async Task<Latencies> MeasureAsync(TimeSpan turn, Func<Task> roundTrip)
    {
        ArgumentNullException.ThrowIfNull(roundTrip);
        var began = Stopwatch.GetTimestamp();
        var end = EndOf(turn, began);
        var before = began;
        var count = 0;
        do
        {
            await roundTrip().ConfigureAwait(false);
            var now = Stopwatch.GetTimestamp();
            Ticks[count++] = now - before;
            before = now;
        }
        while (before < end && count < MaxCount);
        return Sum(count, before - began);
    }

    private static long EndOf(TimeSpan turn, long began) => began + (long)(turn.TotalSeconds * Stopwatch.Frequency);

    private static Latencies Sum(int count, long elapsed)
    {
        var taken = Ticks.AsSpan(0, count);
        taken.Sort();
        var nanoseconds = 1e9 / Stopwatch.Frequency;
        return new Latencies(
            At(taken, 0.5) * nanoseconds, At(taken, 0.99) * nanoseconds, At(taken, 0.999) * nanoseconds, elapsed * nanoseconds / count, count);
    }

    /// <summary>The value below which a share of the values lies.</summary>
    /// <param name="ascending">The values, at least one.</param>
    /// <param name="share">The share, 0 to 1.</param>
    public static long At(ReadOnlySpan<long> ascending, double share) => ascending[(int)Math.Min(ascending.Length - 1, share * ascending.Length)];
}
