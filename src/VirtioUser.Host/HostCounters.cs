// Counting, from any thread.
using VirtioUser.Host.State;

namespace VirtioUser.Host;

/// <summary>The counters of a host; they live in its state.</summary>
/// <param name="state">The state.</param>
public sealed class HostCounters(HostState state)
{
    private readonly StateTable<long> _rows = state.Counters;

    /// <summary>The value of a counter.</summary>
    /// <param name="counter">Which one.</param>
    public long this[Counter counter] => Volatile.Read(ref _rows[(int)counter]);

    /// <summary>Counts. Allocates nothing.</summary>
    /// <param name="counter">Which one.</param>
    /// <param name="value">By how much.</param>
    public void Add(Counter counter, long value = 1) => Interlocked.Add(ref _rows[(int)counter], value);

    /// <summary>Counts one, for a counter that only one thread at a time counts, handed over with a fence.</summary>
    /// <param name="counter">Which one.</param>
    internal void AddAlone(Counter counter)
    {
        ref var row = ref _rows[(int)counter];
        Volatile.Write(ref row, row + 1);
    }
}
