// What an instance says when its device has failed.
using TestDevice.Dependency;
using Virtio.Linux;
using Xunit;

namespace VirtioUser.Guest.Tests;

public class FailureTests
{
    [Fact]
    public void A_callback_that_throws_ends_its_instance_with_EIO_and_no_other()
    {
        using var neighbour = Given.Device();
        using var device = Given.Device();
        using var memory = device.Allocate(4096);
        neighbour.Ping(Given.Ping(TestOperation.Count), Given.Deadline());

        Assert.Throws<PingFailedException>(() => { device.Ping(Given.Ping(TestOperation.Throw), Given.Deadline()); });
        // The host's notice comes behind the answer.
        Assert.Equal(Errno.EIO, ErrnoOf(() => device.ReadEvent(Given.Deadline())));
        Assert.Equal(Errno.EIO, ErrnoOf(() => device.Ping(Given.Ping(TestOperation.Echo), Given.Deadline())));
        Assert.Equal(Errno.EIO, ErrnoOf(() => device.Send(Given.Ping(TestOperation.Echo), Given.Deadline())));
        Assert.Equal(Errno.EIO, ErrnoOf(() => device.Allocate(4096)));
        Assert.Equal(Errno.EIO, ErrnoOf(() => memory.Export()));
        Assert.Equal(Errno.EIO, ErrnoOf(() => device.Import(1)));

        Assert.Equal(2u, neighbour.Ping(Given.Ping(TestOperation.Count), Given.Deadline()));
        using var next = Given.Device();
        Assert.Equal(1u, next.Ping(Given.Ping(TestOperation.Count), Given.Deadline()));
    }

    [Fact]
    public void A_program_that_only_sends_learns_of_the_end_too()
    {
        using var device = Given.Device();
        var deadline = Given.Deadline();
        device.Send(Given.Ping(TestOperation.Throw), deadline);

        Assert.Equal(Errno.EIO, ErrnoOf(() =>
        {
            while (true)
            {
                device.Send(Given.Ping(TestOperation.Echo), deadline);
            }
        }));
        Assert.Equal(Errno.EIO, ErrnoOf(() => device.Ping(Given.Ping(TestOperation.Echo), deadline)));
    }

    [Fact]
    public async Task Pings_behind_the_failure_are_answered_as_failed()
    {
        using var device = Given.Device();
        using var other = Given.Device();
        var gate = Given.Gate();
        var answers = device.PingAsync(
            new[] { Given.Ping(TestOperation.Echo, 1), Given.Ping(TestOperation.Wait, gate), Given.Ping(TestOperation.Throw), Given.Ping(TestOperation.Echo, 2) },
            Given.Deadline());
        other.Ping(Given.Ping(TestOperation.Release, gate), Given.Deadline());

        // The notice that the instance has ended may overtake the last answer's turn to be sent, never an earlier one's.
        var exception = await Record.ExceptionAsync(() => answers);
        if (exception is null)
        {
            Assert.Equal([1u, 1u, 0x8000_0000u, 0x8000_0001u], (await answers).AsEnumerable());
        }
        else
        {
            Assert.Equal(Errno.EIO, Assert.IsType<VirtioUserException>(exception).Errno);
        }
    }

    [Fact]
    [Trait(Given.Needs, Given.Driver)]
    public void After_the_failure_poll_reports_it_and_events_that_came_before_can_be_read()
    {
        using var instance = new RawInstance();
        instance.Write(Given.Ping(TestOperation.Echo, 1) with { Events = 1 }, Given.Ping(TestOperation.Throw) with { Events = 1 });

        Assert.Equal(1u, instance.Read());
        Assert.Equal(0x8000_0000u, instance.Read());
        Assert.Equal(Errno.EIO, RawInstance.ErrnoOf(() => instance.Read()));
        Assert.True(instance.Ready().HasFlag(PollEvents.In | PollEvents.Out | PollEvents.Error));
        Assert.Equal(Errno.EIO, RawInstance.ErrnoOf(() => instance.Write(Given.Ping(TestOperation.Echo))));
    }

    private static Errno ErrnoOf(Action action) => Assert.Throws<VirtioUserException>(action).Errno;
}
