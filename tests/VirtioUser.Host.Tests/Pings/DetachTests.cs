// A queue that is taken away while a thread is somewhere else.
using VirtioUser.Host.Tests.Support;

namespace VirtioUser.Host.Tests.Pings;

public class DetachTests
{
    [Fact]
    public void A_thread_that_tells_the_guest_does_not_touch_a_queue_that_is_detached_meanwhile()
    {
        using var host = new TestHost(new ScriptedDevice(_ => new ScriptedInstance((in ping) => 1)));
        var handle = host.Open();
        host.Detach();
        host.Ping(handle, events: 1);
        host.Ping(handle);
        host.Events.HoldSignals();
        host.Attach();
        host.Events.WaitForHeldSignal(); // a thread tells the guest, and has more to do
        host.Model.DetachPings();
        host.Pings.Close();
        host.Events.ReleaseSignals();

        host.WaitUntilQuiet();
        host.Attach();
        host.Ping(handle, events: 1);
        host.Events.WaitFor(handle, 2);
    }

    [Fact]
    public void A_thread_that_refuses_a_ping_does_not_touch_a_queue_that_is_detached_meanwhile()
    {
        using var host = new TestHost(new ScriptedDevice(_ => new ScriptedInstance((in ping) => 1)));
        var handle = host.Open();
        host.Events.HoldSignals();
        host.Ping(handle + 1, events: 1);
        host.Events.WaitForHeldSignal();
        host.Model.DetachPings();
        host.Pings.Close();
        host.Events.ReleaseSignals();

        host.WaitUntilQuiet();
        host.Attach();
        host.Ping(handle, events: 1);
        host.Events.WaitFor(handle, 1);
        host.Events.WaitFor(handle + 1, 1);
    }

    [Fact]
    public void A_thread_that_polls_and_tells_the_guest_does_not_touch_a_queue_that_is_detached_meanwhile()
    {
        using var host = new TestHost(
            new ScriptedDevice(_ => new ScriptedInstance((in ping) => 1)), new HostOptions { MaxPollTime = TimeSpan.FromSeconds(1) }, eventBuffers: 0);
        var handle = host.Open();
        for (var i = 0; i < 20; i++)
        {
            host.Ping(handle);
            host.WaitForPings(); // short waits: polling pays
        }

        host.Ping(handle, events: 1);
        host.Events.WaitForRefusal();
        host.Events.HoldSignals();
        host.Events.AddBuffers(1);
        host.Events.WaitForHeldSignal();
        host.Model.DetachPings();
        host.Pings.Close();
        host.Events.ReleaseSignals();

        host.WaitUntilQuiet();
        host.Attach();
        host.Events.WaitFor(handle, 1);
        host.Ping(handle);
        host.WaitForPings();
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
        host.WaitForPings();
        if (newRing)
        {
            host.Model.DetachPings();
        }

        host.Events.HoldSignals();
        host.Events.Reopen();
        host.Model.AttachEvents(host.Events); // must return
        if (newRing)
        {
            host.Model.AttachPings(host.Pings); // must return
        }

        host.Events.WaitForHeldSignal();
        host.Events.ReleaseSignals();
        host.Events.WaitFor(handle, 1);
    }

    [Fact]
    public void One_who_attaches_the_ping_queue_does_not_wait_for_a_guest_that_blocks_its_signal()
    {
        using var go = new ManualResetEventSlim();
        using var host = MakeHostWithKeptEntry(go);
        host.Detach();
        go.Set();
        host.WaitForUse(instances: 1, objects: 0, references: 0, pings: 0); // it is done, its entry could not be given back
        host.Pings.HoldSignals();
        host.Attach(); // must return

        host.Pings.WaitForHeldSignal();
        host.Pings.ReleaseSignals();
        host.Pings.WaitForAll();
    }

    [Fact]
    public async Task An_entry_of_a_driver_of_many_starts_ago_is_not_given_to_the_present_one()
    {
        using var go = new ManualResetEventSlim();
        using var host = MakeHostWithKeptEntry(go);
        host.Detach();
        var ended = host.Model.EndDriverAsync();
        host.Pings.Reopen();
        for (var i = 0; i < 1000; i++)
        {
            host.Model.DetachPings();
            _ = host.Model.EndDriverAsync();
            host.Model.AttachPings(host.Pings);
        }

        go.Set();
        await Patience.Await(ended);
        host.WaitForUse(instances: 0, objects: 0, references: 0, pings: 0);
        Assert.Empty(host.Pings.Returned);
    }

    [Fact]
    public void Pings_that_want_no_answer_go_on_when_answers_that_nobody_takes_fill_all_room()
    {
        using var host = new TestHost(new ScriptedDevice(_ => new ScriptedInstance((in ping) => 1)), eventBuffers: 0);
        for (var i = 0; i < 100; i++)
        {
            var handle = host.Open();
            for (var j = 0; j < 64; j++)
            {
                host.Ping(handle, events: 1);
            }
        }

        var other = host.Open();
        for (var i = 0; i < 100; i++)
        {
            host.Ping(other);
        }

        host.WaitForCount(Counter.Pings, 6500);
    }

    /// <summary>An instance in a callback until the gate opens, whose ping keeps its ring entry.</summary>
    private static TestHost MakeHostWithKeptEntry(ManualResetEventSlim go)
    {
        using var started = new ManualResetEventSlim();
        var host = new TestHost(
            new ScriptedDevice(_ => new ScriptedInstance((in ping) =>
            {
                started.Set();
                go.Wait();
                return 1;
            })),
            new HostOptions { MaxPingsKept = 0 });
        host.Ping(host.Open());
        Patience.Wait(started, "the callback");
        return host;
    }
}
