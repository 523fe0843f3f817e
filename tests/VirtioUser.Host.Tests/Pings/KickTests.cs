// When the guest has to kick.
using VirtioUser.Host.Tests.Support;

namespace VirtioUser.Host.Tests.Pings;

public class KickTests
{
    /// <summary>A thread that answers looks at the ring next: a kick would wake another one for what it finds itself.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void Nothing_that_is_sent_because_of_an_answer_is_kicked_for(int instances)
    {
        using var host = new TestHost(new ScriptedDevice((in ping) => (uint)ping.Metadata));
        var handles = Enumerable.Range(0, instances).Select(_ => host.Open()).ToArray();
        host.WaitUntilQuiet();
        host.Events.HoldSignals();
        host.Ping(handles[0], 1, events: 1);
        host.Events.WaitForHeldSignal();
        var before = host.Pings.Kicks;

        host.Ping(handles[^1], 2, events: 1);

        Assert.Equal((1, 1), (before, host.Pings.Kicks));
        host.Events.ReleaseSignals();
        Assert.Equal(2u, host.Events.WaitFor(handles[^1], instances == 1 ? 2 : 1)[^1]);
        host.WaitUntilQuiet();
        host.Ping(handles[0], 3, events: 1);
        Assert.Equal(2, host.Pings.Kicks); // asked for again
        host.WaitForPings();
    }

    /// <summary>After the answer of a ping that failed comes the device's code again.</summary>
    [Fact]
    public void What_is_sent_because_of_a_failure_does_not_wait_for_the_end_of_what_failed()
    {
        using var ending = new ManualResetEventSlim();
        using var leave = new ManualResetEventSlim();
        using var host = new TestHost(new ScriptedDevice(_ => new ScriptedInstance(
            (in ping) => ping.Metadata == 1 ? throw new InvalidOperationException("On purpose.") : (uint)ping.Metadata,
            () =>
            {
                ending.Set();
                Patience.Wait(leave, "the end of the test");
            })));
        var (first, second) = (host.Open(), host.Open());
        host.WaitUntilQuiet();
        host.Ping(first, 1, events: 1);
        Patience.Wait(ending, "the end of the instance");

        host.Ping(second, 2, events: 1);

        Assert.Equal([2u], host.Events.WaitFor(second, 1));
        leave.Set();
    }

    /// <summary>During a callback the guest is asked to kick: the ping may be another instance's.</summary>
    [Fact]
    public void What_is_sent_during_a_callback_is_kicked_for_and_runs_beside_it()
    {
        using var entered = new ManualResetEventSlim();
        using var leave = new ManualResetEventSlim();
        using var host = new TestHost(new ScriptedDevice((in ping) =>
        {
            if (ping.Metadata == 1)
            {
                entered.Set();
                Patience.Wait(leave, "the end of the callback");
            }

            return (uint)ping.Metadata;
        }));
        var (first, second) = (host.Open(), host.Open());
        host.Ping(first, 1, events: 1);
        Patience.Wait(entered, "the callback");

        host.Ping(second, 2, events: 1);

        Assert.Equal([2u], host.Events.WaitFor(second, 1));
        leave.Set();
        Assert.Equal([1u], host.Events.WaitFor(first, 1));
    }
}
