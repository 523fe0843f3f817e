// Events that a device sends on its own, and notices from the host.
using VirtioUser.Devices;
using VirtioUser.Host.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Events;

public class OwnEventTests
{
    private readonly List<InstanceContext> _contexts = [];

    [Fact]
    public void An_own_event_carries_bit_30_and_the_devices_bits()
    {
        using var host = NewHost();
        var handle = host.Open();

        Assert.True(_contexts[0].TrySendEvent(0xFFFF_FFFF));
        Assert.True(_contexts[0].TrySendEvent(0));

        Assert.Equal([0x7FFF_FFFFu, Revents.Unsolicited], host.Events.WaitFor(handle, 2));
    }

    [Fact]
    public void Events_of_one_thread_stay_in_order_and_none_of_many_threads_is_lost()
    {
        const int threads = 4, each = 2000;
        using var host = NewHost(new HostOptions { MaxOwnEventsWaiting = threads * each });
        var handle = host.Open();

        Parallel.For(0, threads, thread =>
        {
            for (uint i = 0; i < each; i++)
            {
                Assert.True(_contexts[0].TrySendEvent(((uint)thread << 16) | i));
            }
        });

        var seen = host.Events.WaitFor(handle, threads * each);
        Assert.Equal(threads * each, seen.Count);
        foreach (var thread in seen.GroupBy(revents => (revents & Revents.DeviceMask) >> 16))
        {
            Assert.Equal(Enumerable.Range(0, each).Select(i => (uint)i), thread.Select(revents => revents & 0xFFFF));
        }
    }

    [Fact]
    public void Beyond_the_bound_events_are_dropped_and_the_guest_is_told_once()
    {
        using var host = NewHost(new HostOptions { MaxOwnEventsWaiting = 3 }, eventBuffers: 0);
        var (handle, other) = (host.Open(), host.Open());

        Assert.Equal([true, true, true, false, false, false], Enumerable.Range(1, 6).Select(i => _contexts[0].TrySendEvent((uint)i)));
        Assert.True(_contexts[1].TrySendEvent(9));
        host.Events.AddBuffers(100);

        uint[] first = [Own(1), Own(2), Own(3), Revents.NoticeEventsLost];
        Assert.Equal(first, host.Events.WaitFor(handle, 4));
        Assert.Equal([Own(9)], host.Events.WaitFor(other, 1));
        Assert.Equal(3, host[Counter.EventsDropped]);

        // There is room again, and the next loss is told again.
        Assert.True(_contexts[0].TrySendEvent(4));
        Assert.Equal([.. first, Own(4)], host.Events.WaitFor(handle, 5));
    }

    [Fact]
    public void A_second_loss_is_told_again_when_the_guest_knows_of_the_first()
    {
        using var host = NewHost(new HostOptions { MaxOwnEventsWaiting = 1 }, eventBuffers: 0);
        var handle = host.Open();

        for (var round = 1; round <= 3; round++)
        {
            Assert.True(_contexts[0].TrySendEvent(1));
            Assert.False(_contexts[0].TrySendEvent(2));
            host.Events.AddBuffers(2);
            Assert.Equal(Revents.NoticeEventsLost, host.Events.WaitFor(handle, 2 * round)[^1]);
        }
    }

    [Fact]
    public void A_guest_that_holds_signals_holds_no_thread_of_a_device()
    {
        const int Events = 1000;
        using var host = NewHost(new HostOptions { MaxOwnEventsWaiting = Events });
        var handle = host.Open();
        host.Events.HoldSignals();

        for (var i = 0; i < Events; i++)
        {
            Assert.True(_contexts[0].TrySendEvent(1)); // on this thread, which would be held
        }

        host.Events.WaitForHeldSignal();
        Assert.True(_contexts[0].SendEventAsync(2, TestContext.Current.CancellationToken).AsTask().IsCompletedSuccessfully);
        host.Ping(handle, 7, events: 1); // its answer's signal is held too
        Assert.Empty(host.Events.Seen);
        host.Events.ReleaseSignals();
        Assert.Equal([.. Enumerable.Repeat(Own(1), Events), Own(2), 7u], host.Events.WaitFor(handle, Events + 2));
    }

    [Fact]
    public void Own_events_do_not_take_the_place_of_answers()
    {
        using var host = NewHost(new HostOptions { MaxOwnEventsWaiting = 2, MaxAnswersWaiting = 100 }, eventBuffers: 0);
        var handle = host.Open();
        while (_contexts[0].TrySendEvent(1))
        {
        }

        for (uint i = 0; i < 50; i++)
        {
            host.Ping(handle, i, events: 1);
        }

        host.WaitForPings();
        host.Events.AddBuffers(1000);
        Assert.Equal(
            [Own(1), Own(1), Revents.NoticeEventsLost, .. Enumerable.Range(0, 50).Select(i => (uint)i)],
            host.Events.WaitFor(handle, 53));
    }

    [Fact]
    public void An_exception_ends_the_instance_with_a_failed_answer_then_a_notice_and_disturbs_nobody()
    {
        var disposed = 0;
        using var host = new TestHost(new ScriptedDevice(context =>
        {
            _contexts.Add(context);
            return new ScriptedInstance((in ping) => ping.Metadata == 13 ? throw new FormatException("thirteen") : 7u, () => disposed++);
        }));
        var (bad, good) = (host.Open(), host.Open());
        var made = host.Allocate(bad);

        host.Ping(bad, 1, events: 1);
        host.Ping(bad, 13, events: 1);
        Assert.Equal([7u, Revents.Failed, Revents.NoticeInstanceEnded], host.Events.WaitFor(bad, 3));
        host.Ping(bad, 1, events: 1);
        host.Ping(good, 1, events: 1);

        Assert.Equal([7u], host.Events.WaitFor(good, 1));
        Assert.Equal([7u, Revents.Failed, Revents.NoticeInstanceEnded, Revents.Refused], host.Events.WaitFor(bad, 4));
        Assert.Equal(1, disposed);
        Assert.False(_contexts[0].TrySendEvent(1));
        Assert.True(_contexts[1].TrySendEvent(1));
        Assert.Equal(1, host[Counter.InstancesFailed]);
        Assert.Contains(host.Log.Lines, line => line.Contains("thirteen", StringComparison.Ordinal));

        host.Close(bad); // closing works, and gives everything back
        Assert.Equal(1, disposed);
        host.WaitForUse(1, 0, 0, 0);
        Assert.Equal(made.ShmOffset, host.Allocate(good).ShmOffset);
    }

    [Fact]
    public void The_guest_knows_of_a_failure_before_the_failed_device_has_ended()
    {
        using var mayEnd = new ManualResetEventSlim();
        using var host = new TestHost(new ScriptedDevice(_ =>
            new ScriptedInstance((in _) => throw new FormatException(), () => Patience.Wait(mayEnd, "the guest"))));
        var handle = host.Open();

        host.Ping(handle, events: 1);

        Assert.Equal([Revents.Failed, Revents.NoticeInstanceEnded], host.Events.WaitFor(handle, 2));
        host.Pings.WaitForAll();
        mayEnd.Set();
        host.Close(handle);
    }

    [Fact]
    public void Failing_without_an_answer_wanted_is_told_by_the_notice_alone()
    {
        using var host = new TestHost(new ScriptedDevice((in _) => throw new FormatException()));
        var handle = host.Open();

        host.Ping(handle, events: 0);

        Assert.Equal([Revents.NoticeInstanceEnded], host.Events.WaitFor(handle, 1));
    }

    private static uint Own(uint revents) => Revents.Unsolicited | revents;

    private TestHost NewHost(HostOptions? options = null, int eventBuffers = int.MaxValue) => new(
        new ScriptedDevice(context =>
        {
            _contexts.Add(context);
            return new ScriptedInstance((in ping) => (uint)ping.Metadata);
        }),
        options,
        eventBuffers: eventBuffers);
}
