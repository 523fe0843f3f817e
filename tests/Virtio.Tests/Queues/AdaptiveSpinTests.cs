// How long a wait spins before it sleeps.
using System.Diagnostics;
using Virtio.Queues;
using Xunit;

namespace Virtio.Tests.Queues;

public class AdaptiveSpinTests
{
    private static readonly long Microsecond = Stopwatch.Frequency / 1_000_000;
    private static readonly TimeSpan Limit = TimeSpan.FromMicroseconds(200);

    // What one side spins up to, how long its peer takes to wake up, and how both work.
    public static MatrixTheoryData<int, int, int> Pairs => new([10, 30, 50, 100, 200, 400, 1000], [40, 100, 300, 700], [1, 9]);

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(long.MinValue)]
    public void Without_a_limit_nobody_spins(long limit)
    {
        var spin = new AdaptiveSpin(TimeSpan.FromTicks(limit));
        Assert.False(spin.IsEnabled);
        for (var i = 0; i < 1000; i++)
        {
            Assert.Equal(0, spin.Ticks);
            spin.NoteHit(0);
            spin.NoteWait(i * Microsecond);
        }
    }

    [Fact]
    public void The_time_begins_at_the_limit_and_is_halved_by_a_miss_and_doubled_by_a_hit()
    {
        var spin = new AdaptiveSpin(Limit);
        Assert.True(spin.IsEnabled);
        Assert.Equal(200 * Microsecond, spin.Ticks);
        spin.NoteWait(long.MaxValue);
        Assert.Equal(100 * Microsecond, spin.Ticks);
        spin.NoteWait(long.MaxValue);
        Assert.Equal(50 * Microsecond, spin.Ticks);
        spin.NoteHit(0);
        Assert.Equal(100 * Microsecond, spin.Ticks);
        spin.NoteHit(Microsecond);
        spin.NoteHit(Microsecond);
        Assert.Equal(200 * Microsecond, spin.Ticks);
    }

    [Fact]
    public void Whoever_is_pinged_rarely_does_not_spin()
    {
        foreach (var milliseconds in new[] { 3, 10, 1000 })
        {
            var spin = new AdaptiveSpin(Limit);
            var spun = 0L;
            for (var i = 0; i < 1000; i++)
            {
                spun += spin.Ticks;
                spin.NoteWait(milliseconds * 1000 * Microsecond);
            }

            Assert.Equal(350 * Microsecond, spun);
            Assert.Equal(0, spin.Ticks);
        }
    }

    [Fact]
    public void Whoever_is_pinged_rarely_after_a_busy_time_stops_spinning()
    {
        var spin = new AdaptiveSpin(Limit);
        for (var i = 0; i < 10_000; i++)
        {
            spin.NoteWait((100 + (i % 1000)) * Microsecond);
        }

        var spun = 0L;
        for (var i = 0; i < 1000; i++)
        {
            spun += spin.Ticks;
            spin.NoteWait(Stopwatch.Frequency);
        }

        Assert.InRange(spun, 0, 1400 * Microsecond);
        Assert.Equal(0, spin.Ticks);
    }

    [Fact]
    public void Steady_pings_are_always_found_by_spinning_however_long_it_takes_to_wake_up()
    {
        var (first, second) = (Side(50, 500, 3), Side(20, 500, 5));
        var simulation = new SpinSimulation(first, second);
        for (var i = 0; i < 100_000; i++)
        {
            simulation.RoundTrip();
        }

        Assert.Equal((0, 0), (first.Misses, second.Misses));
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Two_sides_that_both_sleep_come_to_spin_though_it_takes_longer_than_the_limit_to_wake_up(int limit, int wakeUp, int work)
    {
        foreach (var peerLimit in new[] { 30, 200, 400 })
        {
            // One of the two sees its peer wake up.
            if (wakeUp + work > 8 * Math.Max(limit, peerLimit))
            {
                continue;
            }

            // All the phases that the two can have to each other, with pauses between bursts that are as long as they become.
            for (var phase = 0; phase < 20; phase++)
            {
                var (first, second) = (Side(limit, wakeUp, work), Side(peerLimit, wakeUp, work));
                Discourage(first.Spin, 1000 + (37 * phase));
                Discourage(second.Spin, 1000 + (phase * phase));
                var simulation = new SpinSimulation(first, second);

                while (first.HitsInARow < 1000 || second.HitsInARow < 1000)
                {
                    simulation.RoundTrip();
                    Assert.InRange(simulation.Now, 0, 5 * Stopwatch.Frequency);
                }
            }
        }
    }

    [Theory]
    [InlineData(200, 200, 300)]
    [InlineData(200, 50, 400)]
    [InlineData(200, 400, 700)]
    public void Two_sides_that_were_disturbed_spin_again_soon(int limit, int peerLimit, int wakeUp)
    {
        var (first, second) = (Side(limit, wakeUp, 5), Side(peerLimit, wakeUp, 5));
        var simulation = new SpinSimulation(first, second);
        for (var i = 0; i < 100; i++)
        {
            simulation.RunFor(TimeSpan.FromMilliseconds(5));
            var work = second.Work;
            second.Work = 10 * SpinSimulation.Millisecond;
            simulation.RoundTrip();
            second.Work = work;
            simulation.RunFor(TimeSpan.FromMilliseconds(5));
            AssertBothSpin(simulation, first, second);
        }
    }

    [Fact]
    public void On_a_restless_machine_most_waits_are_found_by_spinning()
    {
        var random = new Random(1);
        var (first, second) = (Side(200, 0, 5), Side(50, 0, 5));
        var simulation = new SpinSimulation(first, second);
        const int RoundTrips = 200_000;
        for (var i = 0; i < RoundTrips; i++)
        {
            // Work of mostly some microseconds; at times something else has the processor for milliseconds.
            foreach (var side in new[] { first, second })
            {
                side.WakeUp = random.Next(50, 600) * Microsecond;
                side.Work = (random.Next(1000) == 0 ? random.Next(5000) : random.Next(2, 15)) * Microsecond;
            }

            simulation.RoundTrip();
        }

        Assert.InRange(first.Misses + second.Misses, 0, RoundTrips / 20);
    }

    [Theory]
    [InlineData(250)]
    [InlineData(500)]
    [InlineData(900)]
    [InlineData(1100)]
    [InlineData(1900)]
    public void A_peer_that_is_always_too_slow_is_hardly_spun_for(int microseconds)
    {
        var spin = new AdaptiveSpin(Limit);
        var (waited, spun) = (0L, 0L);
        for (var i = 0; i < 200_000; i++)
        {
            var ticks = spin.Ticks;
            var wait = microseconds * Microsecond;
            waited += wait;
            spun += Math.Min(ticks, wait);
            Note(spin, wait, ticks);
        }

        Assert.InRange(spun, 0, waited / 50);
    }

    [Theory]
    [InlineData(5)]
    [InlineData(50)]
    [InlineData(150)]
    public void On_a_single_processor_where_the_peer_runs_only_during_sleep_it_is_hardly_spun_for(int microseconds)
    {
        var spin = new AdaptiveSpin(Limit);
        var (waited, spun) = (0L, 0L);
        while (waited < 20 * Stopwatch.Frequency)
        {
            var ticks = spin.Ticks;
            spun += ticks;
            waited += ticks + (microseconds * Microsecond);
            spin.NoteWait(ticks + (microseconds * Microsecond));
        }

        Assert.InRange(spun, 0, waited / 40);
    }

    [Fact]
    public void Whatever_the_peer_does_a_spin_is_bounded_and_wasted_ones_do_not_add_up()
    {
        var random = new Random(1);
        for (var round = 0; round < 200; round++)
        {
            var limit = random.Next(1, 1500);
            var longest = Math.Max(limit, Math.Min(8 * limit, 1000)) * Microsecond;
            var spin = new AdaptiveSpin(TimeSpan.FromMicroseconds(limit));
            for (var i = 0; i < 5000; i++)
            {
                Assert.InRange(spin.Ticks, 0, longest);
                switch (random.Next(4))
                {
                    case 0:
                        spin.NoteHit(random.NextInt64(spin.Ticks + 1));
                        break;
                    case 1:
                        spin.NoteHit(random.Next(2) == 0 ? long.MaxValue : long.MinValue);
                        break;
                    case 2:
                        spin.NoteWait(random.NextInt64(5000 * Microsecond));
                        break;
                    default:
                        spin.NoteWait(random.Next(2) == 0 ? long.MaxValue : long.MinValue);
                        break;
                }
            }

            for (var i = 0; i < 20; i++)
            {
                spin.NoteWait(long.MaxValue);
            }

            Assert.Equal(0, spin.Ticks);
        }
    }

    [Fact]
    public void A_limit_of_any_length_does_not_overflow()
    {
        var spin = new AdaptiveSpin(TimeSpan.MaxValue);
        for (var i = 0; i < 1000; i++)
        {
            Assert.InRange(spin.Ticks, 0, 60 * Stopwatch.Frequency);
            spin.NoteWait(i % 3 == 0 ? long.MaxValue : 90 * Stopwatch.Frequency);
        }
    }

    private static SpinningSide Side(int limit, int wakeUp, int work) =>
        new(TimeSpan.FromMicroseconds(limit), TimeSpan.FromMicroseconds(wakeUp), TimeSpan.FromMicroseconds(work));

    /// <summary>Makes it think that spinning never pays.</summary>
    private static void Discourage(AdaptiveSpin spin, int waits)
    {
        for (var i = 0; i < waits; i++)
        {
            spin.NoteWait(1900 * Microsecond);
        }
    }

    private static void Note(AdaptiveSpin spin, long wait, long spun)
    {
        if (wait <= spun)
        {
            spin.NoteHit(wait);
        }
        else
        {
            spin.NoteWait(wait);
        }
    }

    private static void AssertBothSpin(SpinSimulation simulation, SpinningSide first, SpinningSide second)
    {
        var before = (first.Misses, second.Misses);
        for (var i = 0; i < 1000; i++)
        {
            simulation.RoundTrip();
        }

        Assert.Equal(before, (first.Misses, second.Misses));
    }
}
