// Two sides of a ring that answer each other, in simulated time.
using System.Diagnostics;
using Virtio.Queues;

namespace Virtio.Tests.Queues;

/// <summary>One side: waits for its peer, by spinning and then asleep, and works for a while when the peer has acted.</summary>
/// <param name="limit">The limit of its spinning.</param>
/// <param name="wakeUp">How long it takes to wake up.</param>
/// <param name="work">How long it works before it acts.</param>
internal sealed class SpinningSide(TimeSpan limit, TimeSpan wakeUp, TimeSpan work)
{
    private long _waitingSince;

    public AdaptiveSpin Spin { get; } = new(limit);

    public long WakeUp { get; set; } = SpinSimulation.Ticks(wakeUp);

    public long Work { get; set; } = SpinSimulation.Ticks(work);

    public int HitsInARow { get; private set; }

    public int Misses { get; private set; }

    /// <summary>The peer acts.</summary>
    /// <param name="now">When.</param>
    /// <returns>When this side has acted in its turn, and waits again.</returns>
    public long Answer(long now)
    {
        var waited = now - _waitingSince;
        if (waited <= Spin.Ticks)
        {
            Spin.NoteHit(waited);
            HitsInARow++;
        }
        else
        {
            now += WakeUp;
            Spin.NoteWait(now - _waitingSince);
            HitsInARow = 0;
            Misses++;
        }

        return _waitingSince = now + Work;
    }
}

/// <summary>A round trip is an answer of each.</summary>
internal sealed class SpinSimulation(SpinningSide first, SpinningSide second)
{
    public static readonly long Millisecond = Stopwatch.Frequency / 1000;

    public long Now { get; private set; }

    public static long Ticks(TimeSpan time) => (long)(time.TotalSeconds * Stopwatch.Frequency);

    public void RoundTrip() => Now = first.Answer(second.Answer(Now));

    /// <summary>Makes round trips for so long.</summary>
    public void RunFor(TimeSpan time)
    {
        var end = Now + Ticks(time);
        while (Now < end)
        {
            RoundTrip();
        }
    }
}
