// Waits that poll the event ring before they sleep, and the driver's own account of them.
using TestDevice.Dependency;
using Xunit;

namespace VirtioUser.Guest.Tests;

[Trait(Given.Needs, Given.Driver)]
public sealed class PollTests : IDisposable
{
    private readonly uint _before = DriverAttributes.PollMicroseconds;

    public void Dispose() => DriverAttributes.PollMicroseconds = _before;

    [Fact]
    public void The_attribute_takes_0_to_1000()
    {
        foreach (var value in new[] { 0u, 1u, 1000u })
        {
            DriverAttributes.PollMicroseconds = value;
            Assert.Equal(value, DriverAttributes.PollMicroseconds);
        }

        foreach (var value in new[] { "1001", "-1", "4294967296", "soon", "" })
        {
            Assert.ThrowsAny<Exception>(() => DriverAttributes.WritePollMicroseconds(value));
        }

        Assert.Equal(1000u, DriverAttributes.PollMicroseconds);
    }

    [Fact]
    public void Without_polling_every_answer_comes_all_the_same()
    {
        using var instance = new RawInstance();
        DriverAttributes.PollMicroseconds = 0;
        var (paid, missed) = (DriverAttributes.Statistic("polls_paid"), DriverAttributes.Statistic("polls_missed"));
        for (uint i = 0; i < 200; i++)
        {
            Assert.Equal(i, instance.Call(Given.Ping(TestOperation.Echo, i)));
        }

        Assert.Equal((paid, missed), (DriverAttributes.Statistic("polls_paid"), DriverAttributes.Statistic("polls_missed")));
    }

    [Fact]
    public void A_fast_device_s_answers_are_found_by_polling()
    {
        using var instance = new RawInstance();
        DriverAttributes.PollMicroseconds = 1000;
        var paid = DriverAttributes.Statistic("polls_paid");
        var deadline = Given.Deadline();

        // A machine with other work may have to be asked more often.
        for (uint i = 0; DriverAttributes.Statistic("polls_paid") - paid < 100; i++)
        {
            deadline.ThrowIfCancellationRequested();
            Assert.Equal(i, instance.Call(Given.Ping(TestOperation.Echo, i)));
        }
    }

    [Fact]
    public void A_read_that_waits_polls_too()
    {
        using var instance = new RawInstance();
        DriverAttributes.PollMicroseconds = 1000;
        var paid = DriverAttributes.Statistic("polls_paid");
        var deadline = Given.Deadline();
        for (uint i = 0; DriverAttributes.Statistic("polls_paid") - paid < 20; i++)
        {
            deadline.ThrowIfCancellationRequested();
            instance.Write(Given.Ping(TestOperation.Echo, i) with { Events = 1 });
            Assert.Equal(i, instance.Read());
        }
    }

    [Fact]
    public void A_slow_device_is_soon_not_polled_for_any_more()
    {
        // As many as an instance may send while the host is busy with it.
        const uint Waits = 20;
        using var instance = new RawInstance();
        using var other = Given.Device();
        var gate = Given.Gate();
        DriverAttributes.PollMicroseconds = 50;
        instance.Write(Given.Ping(TestOperation.Wait, gate));
        var missed = DriverAttributes.Statistic("polls_missed");
        for (uint i = 0; i < Waits; i++)
        {
            Assert.False(instance.Call(Given.Ping(TestOperation.Echo, i), 100, out _));
        }

        // For 50 us, for 25, less than the shortest: as far as they had the processor for themselves.
        Assert.InRange(DriverAttributes.Statistic("polls_missed") - missed, 0, 2);
        other.Ping(Given.Ping(TestOperation.Release, gate), Given.Deadline());
        for (uint i = 0; i < Waits; i++)
        {
            Assert.Equal(i, instance.Read());
        }
    }
    [Fact]
    public void A_device_that_was_slow_is_polled_for_again_when_it_is_fast()
    {
        using var instance = new RawInstance();
        using var other = Given.Device();
        DriverAttributes.PollMicroseconds = 200;
        for (var round = 0; round < 3; round++)
        {
            var gate = Given.Gate();
            instance.Write(Given.Ping(TestOperation.Wait, gate));
            for (uint i = 0; i < 10; i++)
            {
                Assert.False(instance.Call(Given.Ping(TestOperation.Echo, i), 300, out _));
            }

            other.Ping(Given.Ping(TestOperation.Release, gate), Given.Deadline());
            for (uint i = 0; i < 10; i++)
            {
                Assert.Equal(i, instance.Read());
            }

            var paid = DriverAttributes.Statistic("polls_paid");
            var deadline = Given.Deadline();
            for (uint i = 0; DriverAttributes.Statistic("polls_paid") - paid < 100; i++)
            {
                deadline.ThrowIfCancellationRequested();
                Assert.Equal(i, instance.Call(Given.Ping(TestOperation.Echo, i)));
            }
        }
    }
}
