// Round trips that this process makes with another one.
namespace VirtioUser.Benchmarks.Measuring;

/// <summary>Measures a call that waits for its answer.</summary>
/// <param name="name">What people see.</param>
/// <param name="roundTrip">Makes one round trip.</param>
/// <param name="others">The processes at the other end.</param>
/// <param name="owned">Disposed with this, in this order.</param>
internal sealed class RoundTripContender(string name, Action roundTrip, int[] others, params IReadOnlyList<object> owned) : Contender(name)
{
    /// <inheritdoc/>
    public override IReadOnlyList<int> Others => others;

    /// <inheritdoc/>
    public override Task<Sample> MeasureAsync(TimeSpan turn)
    {
        var before = CpuTime.WithOwn(others);
        var latencies = Latencies.Measure(turn, roundTrip);
        return Task.FromResult(Sample.Of(latencies, CpuTime.WithOwn(others) - before));
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        foreach (var each in owned)
        {
            if (each is IAsyncDisposable later)
            {
                await later.DisposeAsync();
            }
            else
            {
                ((IDisposable)each).Dispose();
            }
        }
    }
}
