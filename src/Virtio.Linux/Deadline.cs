// Until when something may take.
using System.Diagnostics;

namespace Virtio.Linux;

/// <summary>A moment of the monotonic clock, which nobody sets; <see langword="default"/> is one that never comes.</summary>
public readonly struct Deadline
{
    // 0 = never.
    private readonly long _end;

    private Deadline(long end) => _end = end;

    /// <summary>Whether it has come.</summary>
    public bool IsOver => _end != 0 && Stopwatch.GetTimestamp() >= _end;

    /// <summary>What is left in milliseconds, as <c>poll</c> wants it: rounded up, 0 = it has come, -1 = it never comes.</summary>
    public int MillisecondsLeft
    {
        get
        {
            if (_end == 0)
            {
                return -1;
            }

            var left = _end - Stopwatch.GetTimestamp();
            return left <= 0 ? 0 : (int)Math.Min(int.MaxValue, Math.Ceiling(left * 1000.0 / Stopwatch.Frequency));
        }
    }

    /// <summary>The moment when a time from now on is over.</summary>
    /// <param name="time">The time; 0 = at once, <see cref="Timeout.InfiniteTimeSpan"/> = never.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is negative.</exception>
    public static Deadline After(TimeSpan time)
    {
        if (time == Timeout.InfiniteTimeSpan)
        {
            return default;
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(time, TimeSpan.Zero);
        var now = Stopwatch.GetTimestamp();
        var ticks = time.TotalSeconds * Stopwatch.Frequency;
        return ticks >= long.MaxValue - now ? default : new Deadline(now + (long)ticks);
    }
}
