// A full ring or a full share holds the sender and loses nothing.
using TestDevice.Dependency;
using Virtio.Linux;
using Xunit;

namespace VirtioUser.Guest.Tests;

[Trait(Given.Needs, Given.Driver)]
public class BackpressureTests
{
    // Far more than driver, ring and host can hold for one instance.
    private const uint Plenty = 5000;

    [Fact]
    public void A_full_device_is_EAGAIN_until_poll_says_there_is_room_and_every_ping_is_done()
    {
        using var instance = new RawInstance(nonBlocking: true);
        using var other = Given.Device();
        var gate = Given.Gate();
        Assert.True(instance.TryWrite(Given.Ping(TestOperation.Wait, gate)));
        var sent = 1 + Fill(instance, _ => Given.Ping(TestOperation.Echo));

        other.Ping(Given.Ping(TestOperation.Release, gate), Given.Deadline());
        Assert.Equal(PollEvents.Out, instance.File.Poll(PollEvents.Out, (int)Given.Patience.TotalMilliseconds));
        instance.Write(Given.Ping(TestOperation.Count) with { Events = 1 });

        Assert.Equal(PollEvents.In, instance.File.Poll(PollEvents.In, (int)Given.Patience.TotalMilliseconds));
        Assert.Equal(sent + 1, instance.Read());
    }

    [Fact]
    public async Task A_full_device_blocks_a_blocking_writer_and_every_ping_is_done()
    {
        using var instance = new RawInstance();
        using var other = Given.Device();
        var gate = Given.Gate();
        instance.Write(Given.Ping(TestOperation.Wait, gate));
        var writing = Given.Blocking(() =>
        {
            for (var i = 0; i < Plenty; i++)
            {
                instance.Write(Given.Ping(TestOperation.Echo));
            }

            return true;
        });

        other.Ping(Given.Ping(TestOperation.Release, gate), Given.Deadline());
        Assert.True(await writing);
        instance.Write(Given.Ping(TestOperation.Count) with { Events = 1 });

        Assert.Equal(Plenty + 2, await Given.Blocking(instance.Read));
    }

    [Fact]
    public void Answers_that_nobody_reads_hold_the_sender_and_none_is_lost()
    {
        using var instance = new RawInstance(nonBlocking: true);
        var sent = Fill(instance, number => Given.Ping(TestOperation.Echo, number) with { Events = 1 });

        Assert.True(instance.TryWrite(Given.Ping(TestOperation.Echo)), "a ping that wants no answer needs no place for one");
        for (uint i = 0; i < sent; i++)
        {
            Assert.Equal(i, instance.Read());
        }

        Assert.Equal(PollEvents.Out, instance.Ready());
    }

    [Fact]
    public async Task Slow_instances_hold_up_neither_others_nor_memory_operations()
    {
        var gate = Given.Gate();
        var slow = Enumerable.Range(0, 12).Select(_ => Given.Device()).ToList();
        var waiting = slow.Select(device => device.PingAsync(Given.Ping(TestOperation.Wait, gate), Given.Deadline())).ToList();
        using var flooding = new RawInstance(nonBlocking: true);
        Assert.True(flooding.TryWrite(Given.Ping(TestOperation.Wait, gate)));
        Fill(flooding, _ => Given.Ping(TestOperation.Echo));

        using (var device = Given.Device())
        {
            using var memory = device.Allocate(4096);
            for (uint i = 0; i < 100; i++)
            {
                Assert.Equal(i, device.Ping(Given.Ping(TestOperation.Echo, i), Given.Deadline()));
            }

            Assert.DoesNotContain(waiting, each => each.IsCompleted);
            device.Ping(Given.Ping(TestOperation.Release, gate), Given.Deadline());
        }

        await Task.WhenAll(waiting);
        slow.ForEach(device => device.Dispose());
    }

    /// <summary>Sends until there is no room for long enough that the host has taken over what it wants to.</summary>
    private static uint Fill(RawInstance instance, Func<uint, PingRequest> ping)
    {
        uint sent = 0;
        do
        {
            while (instance.TryWrite(ping(sent)))
            {
                Assert.True(++sent < Plenty, "the device never filled up");
            }
        }
        while (instance.File.Poll(PollEvents.Out, timeoutMilliseconds: 300) != PollEvents.None);

        return sent;
    }
}
