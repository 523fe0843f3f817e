// How long it pays to look at a ring again and again before sleeping. driver/linux/ping_wait.c has the same law in C.
using System.Diagnostics;

namespace Virtio.Queues;

/// <summary>
/// Says how long a wait spins before it sleeps, and learns from how waits end. All times are in ticks of
/// <see cref="Stopwatch"/>. For one thread at a time; allocates nothing after its constructor.
/// </summary>
/// <remarks>
/// <para>A hit doubles the time, a miss halves it, and below 30 us it is 0, as in the halt polling of Linux.
/// That alone has a bad equilibrium: to wake a processor can take longer than the limit. Then a side that sleeps makes its
/// peer wait too long to spin for, which makes the peer sleep as well, and neither ever spins again, although each would
/// be answered at once if both did. Nor does it help to spin up to the limit now and then, as the peer is still waking
/// up when the limit is over. Two kinds of probe leave that equilibrium together:</para>
/// <list type="bullet">
/// <item>A burst spins for up to eight times the limit, 1 ms at most, so that a peer that has to wake up is seen to answer.
/// It goes on for some milliseconds, and during it the peer is answered at once. The first burst follows the first miss;
/// each one makes the pause before the next longer, until spinning has paid 64 times in a row.</item>
/// <item>A glance spins shortly, too often to miss the burst of a peer.</item>
/// </list>
/// <para>Glances take at most 1/64 of the time waited, bursts 1/8 at first and 1/512 in the end. A wait longer than 2 ms
/// (or twice the limit, if that is more) starts neither: whoever is pinged rarely does not spin at all.</para>
/// <para>Sleeping for a short time is no reason to spin: on a single processor the peer runs only while this side
/// sleeps. It is a reason for a burst.</para>
/// </remarks>
public sealed class AdaptiveSpin
{
    private const int LimitsInProbe = 8, HitsThatPay = 64, GlanceShare = 64, FirstBurstShare = 8, MaxDoublings = 6;

    private static readonly long Glance = Stopwatch.Frequency * 30 / 1_000_000;
    private static readonly long MaxProbe = Stopwatch.Frequency / 1000;
    private static readonly long Burst = 4 * MaxProbe; // more than two glances of the peer are apart

    private readonly long _limit, _glance, _probe, _rare;
    private long _time;
    private long _sinceGlance;
    private long _burstSpent; // spinning since the burst began
    private long _untilBurst; // waiting until one may begin
    private bool _inBurst;
    private int _doublings;   // of the pause between bursts
    private int _hits;        // in a row, within the limit

    /// <summary>Begins with spinning for as long as allowed.</summary>
    /// <param name="limit">The longest time to spin, apart from bursts; zero or less = never spin. A minute at most counts.</param>
    public AdaptiveSpin(TimeSpan limit)
    {
        _limit = (long)(Math.Clamp(limit.TotalSeconds, 0, 60) * Stopwatch.Frequency);
        _glance = Math.Min(_limit, Glance);
        _probe = Math.Max(_limit, Math.Min(LimitsInProbe * _limit, MaxProbe));
        _rare = 2 * Math.Max(_limit, MaxProbe);
        _time = _limit;
    }

    /// <summary>Whether this ever spins. If not, nothing needs to be noted.</summary>
    public bool IsEnabled => _limit > 0;

    /// <summary>
    /// How long the next wait spins before it sleeps; 0 = it sleeps at once. Does not change until a wait is noted.
    /// </summary>
    public long Ticks => _inBurst ? _probe : _time > 0 ? _time : IsGlance ? _glance : 0;

    // Without a limit, nothing is ever long enough ago.
    private bool IsGlance => _sinceGlance >= GlanceShare * _glance && _glance > 0;

    /// <summary>Notes a wait that ended while it was spinning.</summary>
    /// <param name="ticks">How long it spun; 0 if what it waited for was there at once, or too soon to look at the clock.</param>
    public void NoteHit(long ticks)
    {
        if (_limit == 0)
        {
            return;
        }

        ticks = Math.Clamp(ticks, 0, _probe);
        if (ticks > _limit)
        {
            _hits = 0; // in a burst: the peer does answer, but has to be woken for it
        }
        else
        {
            _time = Math.Min(_limit, Math.Max(_glance, 2 * Math.Max(_time, ticks)));
            if (++_hits >= HitsThatPay)
            {
                (_hits, _doublings, _untilBurst, _inBurst) = (0, 0, 0, false);
            }
        }

        if (_inBurst)
        {
            _burstSpent += ticks;
            if (_burstSpent >= Burst)
            {
                EndBurst();
            }
        }
    }

    /// <summary>
    /// Notes a wait for which spinning for <see cref="Ticks"/> was too short, or 0. A wait whose spinning was cut short is
    /// not noted.
    /// </summary>
    /// <param name="ticks">
    /// How long it was in all, from before it spun until after it slept; <see cref="long.MaxValue"/> if it was given up.
    /// </param>
    public void NoteWait(long ticks)
    {
        if (_limit == 0)
        {
            return;
        }

        ticks = Math.Max(0, ticks);
        _hits = 0;
        if (_inBurst)
        {
            _burstSpent += _probe;
            EndBurst();
        }
        else if (_time > 0)
        {
            _time = _time / 2 >= _glance ? _time / 2 : 0;
        }
        else if (IsGlance)
        {
            _sinceGlance = 0;
        }

        _untilBurst = Math.Max(0, _untilBurst - ticks);
        if (ticks > _rare)
        {
            return;
        }

        _sinceGlance = Math.Min(_sinceGlance + ticks, GlanceShare * _glance);
        if (_untilBurst == 0)
        {
            (_inBurst, _burstSpent) = (true, 0);
        }
    }

    private void EndBurst()
    {
        _inBurst = false;
        _untilBurst = (FirstBurstShare * _burstSpent) << _doublings;
        _doublings = Math.Min(_doublings + 1, MaxDoublings);
    }
}
