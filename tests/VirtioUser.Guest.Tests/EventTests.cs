// Events that a device sends on its own.
using TestDevice.Dependency;
using Virtio.Linux;
using VirtioUser.Protocol;
using Xunit;

namespace VirtioUser.Guest.Tests;

public class EventTests
{
    [Fact]
    public async Task Events_come_in_order_to_whoever_reads()
    {
        using var device = Given.Device();
        device.Ping(Given.Ping(TestOperation.RaiseEvents, 100), Given.Deadline());

        for (uint i = 1; i <= 50; i++)
        {
            Assert.Equal(i, device.ReadEvent(Given.Deadline()));
        }

        uint expected = 51;
        await foreach (var revents in device.ReadEventsAsync(Given.Deadline()))
        {
            Assert.Equal(expected++, revents);
            if (revents == 100)
            {
                break;
            }
        }
    }

    [Fact]
    public void They_reach_a_program_that_never_waits_and_only_looks()
    {
        using var device = Given.Device();
        var deadline = Given.Deadline();
        device.Send(Given.Ping(TestOperation.RaiseEvents, 3), deadline);

        for (uint expected = 1; expected <= 3; expected++)
        {
            uint revents;
            while (!device.TryReadEvent(out revents))
            {
                deadline.ThrowIfCancellationRequested();
                Thread.Yield();
            }

            Assert.Equal(expected, revents);
        }
    }

    [Fact]
    [Trait(Given.Needs, Given.Driver)]
    public void The_driver_marks_them_and_keeps_them_apart_from_answers()
    {
        using var instance = new RawInstance();
        instance.Write(Given.Ping(TestOperation.RaiseEvents, 3) with { Events = 1 }, Given.Ping(TestOperation.JoinEvents) with { Events = 1 });

        var all = Enumerable.Range(0, 5).Select(_ => instance.Read()).ToList();

        Assert.Equal([1u, 1u], all.Where(Revents.IsAnswer));
        Assert.Equal([Given.OwnEvent(1), Given.OwnEvent(2), Given.OwnEvent(3)], all.Where(each => !Revents.IsAnswer(each)));
    }

    [Fact]
    [Trait(Given.Needs, Given.Driver)]
    public void Events_beyond_the_bound_are_dropped_and_EOVERFLOW_says_so_once()
    {
        const uint raised = 5000;
        using var instance = new RawInstance(nonBlocking: true);
        using var other = Given.Device();
        var gate = Given.Gate();
        instance.Write(
            Given.Ping(TestOperation.RaiseEvents, raised), Given.Ping(TestOperation.JoinEvents), Given.Ping(TestOperation.Release, gate));
        // Its answer comes behind everything that was raised before.
        other.Ping(Given.Ping(TestOperation.Wait, gate), Given.Deadline());

        Assert.Equal(PollEvents.In | PollEvents.Out, instance.Ready());
        Assert.Equal(Errno.EOVERFLOW, RawInstance.ErrnoOf(() => instance.Read()));
        var seen = new List<uint>();
        while (instance.File.TryRead(new byte[4], out _))
        {
            seen.Add(0);
        }

        Assert.InRange((uint)seen.Count, 1u, raised - 1);
        instance.Write(Given.Ping(TestOperation.Echo, 8) with { Events = 1 });
        Assert.Equal(PollEvents.In, instance.File.Poll(PollEvents.In, (int)Given.Patience.TotalMilliseconds));
        Assert.Equal(8u, instance.Read());
    }

    [Fact]
    public void The_library_tells_a_loss_once_and_goes_on_in_order()
    {
        const uint raised = 5000;
        using var device = Given.Device();
        using var other = Given.Device();
        var gate = Given.Gate();
        device.Send(
            [Given.Ping(TestOperation.RaiseEvents, raised), Given.Ping(TestOperation.JoinEvents), Given.Ping(TestOperation.Release, gate)], Given.Deadline());
        other.Ping(Given.Ping(TestOperation.Wait, gate), Given.Deadline());

        Assert.Throws<EventsLostException>(() => device.ReadEvent(Given.Deadline()));
        uint last = 0;
        while (device.TryReadEvent(out var revents))
        {
            Assert.InRange(revents, last + 1, raised);
            last = revents;
        }

        Assert.NotEqual(0u, last);
    }

    [Fact]
    public void A_flood_of_events_loses_no_answer()
    {
        using var device = Given.Device();
        device.Send(Given.Ping(TestOperation.RaiseEvents, 20000), Given.Deadline());

        for (uint i = 0; i < 200; i++)
        {
            Assert.Equal(i, device.Ping(Given.Ping(TestOperation.Echo, i), Given.Deadline()));
        }
    }
}
