// A queue that is taken away while the leader is somewhere else.
using System.Diagnostics;
using VirtioUser.Host.Tests.Support;

namespace VirtioUser.Host.Tests.Pings;

public class DetachTests
{
    [Fact]
    public void A_leader_that_tells_the_guest_does_not_touch_a_queue_that_is_detached_meanwhile()
    {
        using var host = new TestHost(new ScriptedDevice(_ => new ScriptedInstance((in ping) => 1)));
        var handle = host.Open();
        host.Detach();
        host.Ping(handle, events: 1); // its signal is held: another ping is there
        host.Ping(handle); // wants no answer: leaves it held
        host.Events.HoldSignals();
        host.Attach(newDriver: false);
        host.Events.WaitForHeldSignal(); // the leader has found the ring empty, and tells the guest before it sleeps
        host.Model.DetachPings();
        host.Pings.Close();
        host.Events.ReleaseSignals();

        host.WaitForDetachedLeader();
        host.Attach(newDriver: false);
        host.Ping(handle, events: 1);
        host.Events.WaitFor(handle, 2);
    }

    [Fact]
    public void A_leader_that_tells_the_guest_before_a_ping_without_an_answer_does_not_touch_a_queue_that_is_detached_meanwhile()
    {
        using var host = new TestHost(
            new ScriptedDevice(_ => new ScriptedInstance((in ping) =>
            {
                var began = Stopwatch.GetTimestamp();
                while (ping.Metadata != 0 && Stopwatch.GetElapsedTime(began) < TimeSpan.FromMilliseconds(1))
                {
                    // Longer than a signal is held back.
                }

                return 1;
            })),
            new HostOptions { LeaderPatience = Patience.Limit });
        var handle = host.Open();
        host.Detach();
        host.Ping(handle, 1, events: 1); // its signal is held: another ping is there
        host.Ping(handle); // wants no answer, and comes when the signal is held for too long
        host.Ping(handle);
        host.Events.HoldSignals();
        host.Attach(newDriver: false);
        host.Events.WaitForHeldSignal();
        host.Model.DetachPings();
        host.Pings.Close();
        host.Events.ReleaseSignals();

        host.WaitForDetachedLeader();
        host.Attach(newDriver: false);
        host.Pings.WaitForAll();
        host.Events.WaitFor(handle, 1);
    }

    [Fact]
    public void A_leader_that_refuses_a_ping_does_not_touch_a_queue_that_is_detached_meanwhile()
    {
        using var host = new TestHost(new ScriptedDevice(_ => new ScriptedInstance((in ping) => 1)));
        var handle = host.Open();
        host.Events.HoldSignals();
        host.Ping(handle + 1, events: 1);
        host.Events.WaitForHeldSignal();
        host.Model.DetachPings();
        host.Pings.Close();
        host.Events.ReleaseSignals();

        host.WaitForDetachedLeader();
        host.Attach(newDriver: false);
        host.Ping(handle, events: 1);
        host.Events.WaitFor(handle, 1);
        host.Events.WaitFor(handle + 1, 1);
    }

    [Fact]
    public void A_leader_that_polls_and_tells_the_guest_does_not_touch_a_queue_that_is_detached_meanwhile()
    {
        using var host = new TestHost(
            new ScriptedDevice(_ => new ScriptedInstance((in ping) => 1)), new HostOptions { MaxPollTime = TimeSpan.FromSeconds(1) }, eventBuffers: 0);
        var handle = host.Open();
        for (var i = 0; i < 20; i++)
        {
            host.Ping(handle);
            host.Pings.WaitForAll(); // short waits: polling pays
        }

        host.Ping(handle, events: 1);
        host.Events.WaitForRefusal();
        host.Events.HoldSignals();
        host.Events.AddBuffers(1);
        host.Events.WaitForHeldSignal();
        host.Model.DetachPings();
        host.Pings.Close();
        host.Events.ReleaseSignals();

        host.WaitForDetachedLeader();
        host.Attach(newDriver: false);
        host.Events.WaitFor(handle, 1);
        host.Ping(handle);
        host.Pings.WaitForAll();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void One_who_attaches_queues_does_not_wait_for_a_guest_that_blocks_their_signals(bool newRing)
    {
        using var host = new TestHost(new ScriptedDevice(_ => new ScriptedInstance((in ping) => 1)));
        var handle = host.Open();
        host.Model.DetachEvents();
        host.Events.Close();
        host.Ping(handle, events: 1); // its answer waits
        host.Pings.WaitForAll();
        if (newRing)
        {
            host.Model.DetachPings();
        }

        host.Events.HoldSignals();
        host.Events.Reopen();
        host.Model.AttachEvents(host.Events); // must return
        if (newRing)
        {
            host.Model.AttachPings(host.Pings, newDriver: false); // must return
        }

        host.Events.WaitForHeldSignal();
        host.Events.ReleaseSignals();
        host.Events.WaitFor(handle, 1);
    }

    [Fact]
    public void One_who_attaches_the_ping_queue_does_not_wait_for_a_guest_that_blocks_its_signal()
    {
        using var go = new ManualResetEventSlim();
        using var host = MakeHostWithWaitingEntry(go);
        host.Detach();
        go.Set();
        host.WaitForRows(instances: 1, objects: 0, references: 0, pings: 0); // both are done, one entry could not be given back
        host.Pings.HoldSignals();
        host.Attach(newDriver: false); // must return

        host.Pings.WaitForHeldSignal();
        host.Pings.ReleaseSignals();
        host.Pings.WaitForAll();
    }

    [Fact]
    public async Task An_entry_of_a_driver_of_65536_starts_ago_is_not_given_to_the_present_one()
    {
        using var go = new ManualResetEventSlim();
        using var host = MakeHostWithWaitingEntry(go);
        host.Detach();
        var ended = host.Model.EndDriverAsync();
        host.Pings.Reopen();
        for (var i = 0; i < 65536; i++)
        {
            host.Model.DetachPings();
            host.Model.AttachPings(host.Pings, newDriver: true);
        }

        var returned = host.Pings.Returned.Count;
        go.Set();
        await Patience.Await(ended);
        host.WaitForRows(instances: 0, objects: 0, references: 0, pings: 0);
        Assert.Equal(returned, host.Pings.Returned.Count);
    }

    [Fact]
    public void Pings_that_want_no_answer_go_on_when_answers_that_nobody_takes_fill_nearly_all_rows()
    {
        const int batch = 16; // what the leader finishes before it gives entries back
        using var host = new TestHost(
            new ScriptedDevice(_ => new ScriptedInstance((in ping) => 1)), new HostOptions { MaxAnswersWaiting = 256 }, eventBuffers: 0);
        var rows = Host.State.HostState.MaxPings - (batch - 1);
        for (var left = rows; left > 0;)
        {
            var handle = host.Open();
            for (var i = 0; i < 256 && left > 0; i++, left--)
            {
                host.Ping(handle, events: 1);
            }

            host.Pings.WaitForAll();
        }

        var other = host.Open();
        host.Detach();
        for (var i = 0; i < 4 * batch; i++)
        {
            host.Ping(other);
        }

        host.Attach(newDriver: false);

        host.Pings.WaitForAll();
    }

    /// <summary>An instance in a callback until the gate opens, and behind it a ping that keeps its ring entry.</summary>
    private static TestHost MakeHostWithWaitingEntry(ManualResetEventSlim go)
    {
        var host = new TestHost(
            new ScriptedDevice(_ => new ScriptedInstance((in ping) =>
            {
                go.Wait();
                return 1;
            })),
            new HostOptions { MaxPingsTakenOver = 0 });
        var handle = host.Open();
        host.Ping(handle);
        host.WaitForCount(Counter.PingsTakenOver, 1);
        host.Ping(handle);
        host.WaitForCount(Counter.Pings, 2);
        return host;
    }
}
