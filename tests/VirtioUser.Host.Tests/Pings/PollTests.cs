// Looking for pings before going to sleep.
using System.Diagnostics;
using VirtioUser.Host.Tests.Support;

namespace VirtioUser.Host.Tests.Pings;

public class PollTests
{
    private static readonly HostOptions Polling = new() { MaxPollTime = TimeSpan.FromSeconds(1) };

    [Fact]
    public void Without_the_option_nobody_polls()
    {
        using var host = new TestHost(new ScriptedDevice((in _) => 1));
        var handle = host.Open();
        Send(host, handle, 100);
        host.WaitUntilQuiet();
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
    public void When_pings_end_polling_ends()
    {
        using var host = new TestHost(new ScriptedDevice((in _) => 1), Polling);
        var handle = host.Open();
        SendUntilPolled(host, handle);

        host.WaitUntilQuiet();

        var (sleeps, misses) = (host[Counter.Sleeps], host[Counter.PollMisses]);
        host.WaitForPings(); // nothing is kept from the guest meanwhile
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
            host.Attach();
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
