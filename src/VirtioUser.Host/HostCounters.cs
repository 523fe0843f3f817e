// Counting, from any thread.
namespace VirtioUser.Host;

/// <summary>The counters of one device model, or of what is outside of all.</summary>
public sealed class HostCounters
{
    private readonly long[] _values = new long[Enum.GetValues<Counter>().Length];

    /// <summary>The value of a counter.</summary>
    /// <param name="counter">Which one.</param>
    public long this[Counter counter] => Volatile.Read(ref _values[(int)counter]);

    /// <summary>Counts. Allocates nothing.</summary>
    /// <param name="counter">Which one.</param>
    /// <param name="value">By how much.</param>
    public void Add(Counter counter, long value = 1) => Interlocked.Add(ref _values[(int)counter], value);

    /// <summary>Counts one, for a counter that only one thread at a time counts, handed over with a fence.</summary>
    /// <param name="counter">Which one.</param>
    internal void AddAlone(Counter counter)
    {
        ref var value = ref _values[(int)counter];
        Volatile.Write(ref value, value + 1);
    }

    /// <summary>Counts all that another has counted.</summary>
    internal void AddAll(HostCounters other)
    {
        for (var i = 0; i < _values.Length; i++)
        {
            Interlocked.Add(ref _values[i], Volatile.Read(ref other._values[i]));
        }
    }
}
