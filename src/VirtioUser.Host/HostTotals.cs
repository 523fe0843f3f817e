// What all device models of a process, or of one listener of it, have counted together.
namespace VirtioUser.Host;

/// <summary>
/// Sums of counters. Each device model counts for itself, so that counting costs its pings nothing that they share with others;
/// what one has counted stays in the sums when it is gone. Any thread.
/// </summary>
/// <param name="listener">
/// The name of the listener whose device models are summed up, shown as a tag. One for each listener, so that there are as many tags as
/// listeners, however many connections come. Null for sums without a tag.
/// </param>
public sealed class HostTotals(string? listener = null)
{
    private readonly Lock _lock = new();
    private readonly HashSet<HostCounters> _live = [];

    /// <summary>The name of the listener, or null.</summary>
    public string? Listener { get; } = listener;

    /// <summary>What is outside of all device models; and, in the sums, what those have counted that are gone.</summary>
    public HostCounters Own { get; } = new();

    /// <summary>The sum of a counter.</summary>
    /// <param name="counter">Which one.</param>
    public long this[Counter counter]
    {
        get
        {
            lock (_lock)
            {
                return Own[counter] + _live.Sum(counters => counters[counter]);
            }
        }
    }

    /// <summary>Makes counters that are part of the sums.</summary>
    public HostCounters Begin()
    {
        var counters = new HostCounters();
        lock (_lock)
        {
            _live.Add(counters);
        }

        return counters;
    }

    /// <summary>Nothing is counted there any more: what was counted stays in the sums.</summary>
    /// <param name="counters">Made by <see cref="Begin"/>. More than once is as once.</param>
    public void End(HostCounters counters)
    {
        ArgumentNullException.ThrowIfNull(counters);
        lock (_lock)
        {
            if (_live.Remove(counters))
            {
                Own.AddAll(counters);
            }
        }
    }
}
