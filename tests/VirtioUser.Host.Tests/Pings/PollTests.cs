// Looking for pings before going to sleep.
using System.Diagnostics;
using VirtioUser.Host.Pings;
using VirtioUser.Host.Tests.Support;

namespace VirtioUser.Host.Tests.Pings;

public class PollTests
{
    private static readonly HostOptions Polling = new() { MaxPollTime = TimeSpan.FromSeconds(1) };

    [Fact]
    public void The_time_to_poll_grows_while_waits_are_short_and_falls_to_nothing_at_a_long_one()
    {
        var most = TimeSpan.FromMilliseconds(1);
        var budget = new PollBudget(most);
        Assert.True(budget.Enabled);
        Assert.Equal(0, budget.Ticks);

        var grown = new List<long>();
        for (var i = 0; i < 10; i++)
        {
            budget.NoteWait(Stopwatch.Frequency / 1000);
            grown.Add(budget.Ticks);
        }

        Assert.True(grown[0] > 0);
        Assert.Equal(2 * grown[0], grown[1]);
        Assert.Equal(Stopwatch.Frequency / 1000, grown[^1]);
        budget.NoteWait((Stopwatch.Frequency / 1000) + 1);
        Assert.Equal(0, budget.Ticks);
    }

    [Fact]
    public void Without_the_option_nobody_polls()
    {
        Assert.False(new PollBudget(TimeSpan.Zero).Enabled);
        using var host = new TestHost(new ScriptedDevice((in _) => 1));
        var handle = host.Open();
        Send(host, handle, 100);
        host.Waiter.WaitForSleeper();
        Assert.Equal((0, 0), (host[Counter.PollHits], host[Counter.PollMisses]));
        Assert.True(host[Counter.Sleeps] > 0);
    }

    [Fact]
    public void Who_is_pinged_often_is_polled_for()
    {
        using var host = new TestHost(new ScriptedDevice((in _) => 1), Polling);
        var handle = host.Open();

        SendUntilPolled(host, handle);

        Assert.Equal(host[Counter.Pings], host[Counter.Events]);
    }

    [Fact]
    public void Who_is_pinged_rarely_is_never_polled_for()
    {
        // Every wait is longer than this.
        using var host = new TestHost(new ScriptedDevice((in _) => 1), new HostOptions { MaxPollTime = TimeSpan.FromTicks(1) });
        var handle = host.Open();
        for (var i = 1; i <= 100; i++)
        {
            host.Waiter.WaitForSleeper();
            Send(host, handle, 1);
            host.Events.WaitFor(handle, i);
        }

        host.Waiter.WaitForSleeper();
        Assert.Equal((0, 0), (host[Counter.PollHits], host[Counter.PollMisses]));
    }

    [Fact]
    public void When_pings_end_polling_ends()
    {
        using var host = new TestHost(new ScriptedDevice((in _) => 1), Polling);
        var handle = host.Open();
        SendUntilPolled(host, handle);

        host.Waiter.WaitForSleeper();

        var (sleeps, misses) = (host[Counter.Sleeps], host[Counter.PollMisses]);
        host.Pings.WaitForAll(); // nothing is kept from the guest meanwhile
        Assert.True(sleeps > 0);
        Assert.Equal((sleeps, misses), (host[Counter.Sleeps], host[Counter.PollMisses]));
    }

    [Fact]
    public void One_who_polls_lets_go_of_the_queue_at_once_and_does_not_hold_up_config_requests()
    {
        using var host = new TestHost(new ScriptedDevice((in _) => 1), Polling);
        var handle = host.Open();
        for (var i = 0; i < 50; i++)
        {
            SendUntilPolled(host, handle);
            host.Close(host.Open());
            host.Detach(); // checks that the queue is not touched any more
            host.Attach(newDriver: false);
        }
    }

    [Fact]
    public void Answers_that_wait_for_a_buffer_go_out_while_the_leader_polls()
    {
        using var host = new TestHost(new ScriptedDevice((in ping) => (uint)ping.Metadata), Polling, eventBuffers: 0);
        var handle = host.Open();
        for (uint i = 0; i < 200; i++)
        {
            host.Ping(handle, i, events: 1);
            host.Events.AddBuffers(1);
            Assert.Equal(i, host.Events.WaitFor(handle, (int)i + 1)[(int)i]);
        }
    }

    private static void SendUntilPolled(TestHost host, ulong handle)
    {
        var (began, before) = (Stopwatch.GetTimestamp(), host[Counter.PollHits]);
        while (host[Counter.PollHits] == before)
        {
            Send(host, handle, 10);
            Assert.True(Stopwatch.GetElapsedTime(began) < Patience.Limit, "Nobody polled.");
        }
    }

    /// <summary>Sends pings, each after the answer to the one before.</summary>
    private static void Send(TestHost host, ulong handle, int count)
    {
        for (var i = 0; i < count; i++)
        {
            var events = host[Counter.Events];
            host.Ping(handle, events: 1);
            Assert.True(SpinWait.SpinUntil(() => host[Counter.Events] > events, Patience.Limit), "No answer.");
        }
    }
}
