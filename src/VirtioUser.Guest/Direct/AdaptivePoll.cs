// How long it pays to poll before sleeping.
using System.Diagnostics;

namespace VirtioUser.Guest.Direct;

/// <summary>
/// Learns from how long the last waits took: polls only where what is waited for tends to come within the limit, and
/// not at all where it does not. For one thread at a time.
/// </summary>
internal sealed class AdaptivePoll
{
    // What is tried first where polling had been given up, and a wait turned out to be short.
    private static readonly long Least = Stopwatch.Frequency / 100_000;

    private readonly long _limit;
    private long _time;

    /// <summary>Begins with polling for as long as allowed.</summary>
    /// <param name="limit">The longest time to poll; zero or less = never.</param>
    public AdaptivePoll(TimeSpan limit) => _time = _limit = (long)(limit.TotalSeconds * Stopwatch.Frequency);

    /// <summary>When to stop polling, for a wait that begins now, in ticks of <see cref="Stopwatch"/>.</summary>
    /// <param name="now">The present time, in the same ticks.</param>
    public long Deadline(long now) => now + _time;

    /// <summary>Whether polling is allowed at all.</summary>
    public bool IsAllowed => _limit > 0;

    /// <summary>Learns how long a wait took in all, polling and sleeping.</summary>
    /// <param name="ticks">In ticks of <see cref="Stopwatch"/>.</param>
    public void Learn(long ticks)
    {
        if (ticks > _limit)
        {
            _time = _time > Least ? _time / 2 : 0;
        }
        else if (ticks > _time)
        {
            _time = Math.Min(_limit, Math.Max(Least, _time * 2));
        }
    }
}
