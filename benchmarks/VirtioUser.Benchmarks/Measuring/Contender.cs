// Something that is measured in turns with others.
namespace VirtioUser.Benchmarks.Measuring;

/// <summary>One side of a comparison.</summary>
/// <param name="name">What people see.</param>
internal abstract class Contender(string name) : IAsyncDisposable
{
    /// <summary>What people see.</summary>
    public string Name { get; } = name;

    /// <summary>The processes at the other end, if it is one that this process is an end of.</summary>
    public virtual IReadOnlyList<int> Others => [];

    /// <summary>Takes one turn.</summary>
    /// <param name="turn">About how long.</param>
    public abstract Task<Sample> MeasureAsync(TimeSpan turn);

    public abstract ValueTask DisposeAsync();
}
