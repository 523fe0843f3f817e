// Waits that spin before they sleep, and what they teach.
using Virtio.Queues;
using VirtioUser.Guest.Direct;
using Xunit;

namespace VirtioUser.Guest.UnitTests;

public class SpinningWaitTests
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(30), Short = TimeSpan.FromTicks(1);

    [Fact]
    public void What_comes_while_it_spins_ends_the_wait()
    {
        var spin = new AdaptiveSpin(Long);
        spin.NoteWait(long.MaxValue); // leaves room to grow
        var (before, condition) = (spin.Ticks, new CountingCondition(thereAt: 1000));

        var wait = new SpinningWait(spin);
        Assert.True(wait.Spin(condition));
        wait.End(fulfilled: true);

        Assert.Equal(1000, condition.Looks);
        Assert.Equal(2 * before, spin.Ticks);
    }

    [Fact]
    public void What_does_not_come_is_looked_for_once_in_a_wait_and_less_in_the_next()
    {
        var spin = new AdaptiveSpin(Short);
        var condition = new CountingCondition(thereAt: int.MaxValue);

        var wait = new SpinningWait(spin);
        Assert.False(wait.Spin(condition));
        var looks = condition.Looks;
        Assert.True(looks > 0);
        Assert.False(wait.Spin(condition));
        wait.End(fulfilled: false);

        Assert.Equal(looks, condition.Looks);
        Assert.Equal(0, spin.Ticks);
        Assert.False(new SpinningWait(spin).Spin(condition));
        Assert.Equal(looks, condition.Looks);
    }

    [Fact]
    public void A_wait_that_slept_for_a_short_time_makes_the_next_one_try_to_spin()
    {
        // So long that none of these waits is a long one.
        var spin = new AdaptiveSpin(Long);
        while (spin.Ticks > 0)
        {
            spin.NoteWait(long.MaxValue);
        }

        var condition = new CountingCondition(thereAt: 1);
        var wait = new SpinningWait(spin);
        Assert.False(wait.Spin(condition));
        wait.End(fulfilled: true);

        Assert.Equal(0, condition.Looks);
        Assert.True(new SpinningWait(spin).Spin(condition));
        Assert.Equal(1, condition.Looks);
    }

    [Fact]
    public void Without_a_limit_nobody_looks()
    {
        var spin = new AdaptiveSpin(TimeSpan.Zero);
        var condition = new CountingCondition(thereAt: 1);
        var wait = new SpinningWait(spin);
        Assert.False(wait.Spin(condition));
        wait.End(fulfilled: true);
        Assert.False(new SpinningWait(spin).Spin(condition));
        Assert.Equal(0, condition.Looks);
    }

    [Fact]
    public void A_wait_allocates_nothing()
    {
        var spin = new AdaptiveSpin(Long);
        var condition = new CountingCondition(thereAt: 20);
        Wait();
        var before = GC.GetAllocatedBytesForCurrentThread();
        Wait();
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());

        void Wait()
        {
            var wait = new SpinningWait(spin);
            wait.Spin(condition);
            wait.End(fulfilled: true);
        }
    }

    /// <summary>Is there when it was looked at so often.</summary>
    private readonly struct CountingCondition(int thereAt) : ISpinCondition
    {
        private readonly int[] _looks = [0];

        public int Looks => _looks[0];

        public bool Look() => ++_looks[0] >= thereAt;
    }
}
