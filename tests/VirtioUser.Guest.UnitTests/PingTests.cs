// Answers find the callers that wait for them.
using System.Diagnostics.CodeAnalysis;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Virtio.Linux;
using VirtioUser.Protocol;
using Xunit;

namespace VirtioUser.Guest.UnitTests;

public class PingTests
{
    private static CancellationToken Timeout => TestContext.Current.CancellationToken;

    [Fact]
    public void A_ping_returns_its_answer()
    {
        using var device = new VirtioUserDevice(new FakeChannel(answersAtOnce: true));

        Assert.Equal(42u, device.Ping(new PingRequest(42), Timeout));
    }

    [Fact]
    public async Task Each_of_many_threads_gets_its_own_answers()
    {
        using var device = new VirtioUserDevice(new FakeChannel(answersAtOnce: true));

        await Task.WhenAll(Enumerable.Range(0, 8).Select(thread => Task.Factory.StartNew(
            () =>
            {
                for (var i = 0; i < 2000; i++)
                {
                    Assert.Equal((uint)((thread << 16) | i), device.Ping(new PingRequest((uint)((thread << 16) | i)), Timeout));
                }
            },
            Timeout, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
    }

    [Fact]
    public async Task Waiting_and_asynchronous_callers_share_an_instance()
    {
        using var device = new VirtioUserDevice(new FakeChannel(answersAtOnce: true));

        var asynchronous = Enumerable.Range(0, 4).Select(async caller =>
        {
            for (var i = 0; i < 500; i++)
            {
                Assert.Equal((uint)((caller << 16) | i), await device.PingAsync(new PingRequest((uint)((caller << 16) | i)), Timeout));
            }
        });
        var waiting = Enumerable.Range(4, 4).Select(caller => Task.Factory.StartNew(
            () =>
            {
                for (var i = 0; i < 500; i++)
                {
                    Assert.Equal((uint)((caller << 16) | i), device.Ping(new PingRequest((uint)((caller << 16) | i)), Timeout));
                }
            },
            Timeout, TaskCreationOptions.LongRunning, TaskScheduler.Default));
        await Task.WhenAll(asynchronous.Concat(waiting));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [SuppressMessage("Usage", "xUnit1051", Justification = "A token that can be cancelled allocates.")]
    public void A_ping_that_succeeds_allocates_nothing(bool inCall)
    {
        using var device = new VirtioUserDevice(new AllocationFreeChannel(inCall));
        // A batch before it must not make a difference.
        device.Ping([new PingRequest(1), new PingRequest(2)], new uint[2]);
        Assert.Equal(1u, device.Ping(new PingRequest(1)));

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (uint i = 0; i < 1000; i++)
        {
            device.Ping(new PingRequest(i));
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Property(MaxTest = 60)]
    public Property Batches_of_any_size_get_their_answers_in_order_however_little_the_device_takes_at_once() => Prop.ForAll(
        Gen.Choose(1, 300).Zip(Gen.Choose(1, 70)).ToArbitrary(),
        sizes =>
        {
            var (pings, taken) = sizes;
            using var device = new VirtioUserDevice(new FakeChannel(answersAtOnce: true) { MaximumTaken = taken });
            var answers = new uint[pings];
            device.Ping([.. Enumerable.Range(1, pings).Select(i => new PingRequest((ulong)i))], answers, Timeout);
            Assert.Equal(Enumerable.Range(1, pings).Select(i => (uint)i), answers);
        });

    [Fact]
    public async Task A_full_device_holds_the_sender_until_there_is_room()
    {
        var channel = new FakeChannel(room: 1);
        using var device = new VirtioUserDevice(channel);
        var pinging = Task.Run(
            () =>
            {
                var answers = new uint[3];
                device.Ping([new PingRequest(1), new PingRequest(2), new PingRequest(3)], answers, Timeout);
                return answers;
            },
            Timeout);

        await channel.Sent.WaitAsync(Timeout);
        await channel.WouldBlock.WaitAsync(Timeout);
        Assert.False(pinging.IsCompleted);
        channel.Room = 2;
        channel.Answer(1);
        await channel.Sent.WaitAsync(Timeout);
        await channel.Sent.WaitAsync(Timeout);
        channel.Answer(2);

        AssertAnswers(await pinging, 1, 2, 3);
    }

    [Fact]
    public async Task A_full_device_holds_an_asynchronous_sender_without_holding_its_caller()
    {
        var channel = new FakeChannel(room: 0);
        using var device = new VirtioUserDevice(channel);
        var pinging = device.PingAsync(new PingRequest(7), Timeout);

        await channel.WouldBlock.WaitAsync(Timeout);
        channel.Room = 1;
        await channel.Sent.WaitAsync(Timeout);
        channel.Answer(1);

        Assert.Equal(7u, await pinging);
    }

    [Fact]
    public async Task A_sender_that_waits_for_room_lets_other_threads_get_their_answers()
    {
        var channel = new FakeChannel(room: 1);
        using var device = new VirtioUserDevice(channel);
        var first = Task.Run(() => device.Ping(new PingRequest(1), Timeout), Timeout);
        await channel.Sent.WaitAsync(Timeout);
        var second = Task.Run(() => device.Ping(new PingRequest(2), Timeout), Timeout);
        await channel.WouldBlock.WaitAsync(Timeout);

        channel.Answer(1);
        Assert.Equal(1u, await first);
        channel.Room = 1;
        await channel.Sent.WaitAsync(Timeout);
        channel.Answer(1);
        Assert.Equal(2u, await second);
    }

    [Fact]
    public async Task A_cancelled_ping_leaves_the_others_answers_in_order()
    {
        var channel = new FakeChannel();
        using var device = new VirtioUserDevice(channel);
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Timeout);
        var cancelled = Task.Run(() => device.Ping(new PingRequest(1), cancellation.Token), Timeout);
        await channel.Sent.WaitAsync(Timeout);
        var other = Task.Run(() => device.Ping(new PingRequest(2), Timeout), Timeout);
        await channel.Sent.WaitAsync(Timeout);

        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        channel.Answer(2);

        Assert.Equal(2u, await other);
    }

    [Fact]
    public async Task A_cancelled_asynchronous_ping_leaves_the_others_answers_in_order()
    {
        var channel = new FakeChannel();
        using var device = new VirtioUserDevice(channel);
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Timeout);
        var cancelled = device.PingAsync(new PingRequest(1), cancellation.Token);
        var other = device.PingAsync(new PingRequest(2), Timeout);

        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        channel.Answer(2);

        Assert.Equal(2u, await other);
    }

    [Fact]
    public async Task A_ping_cancelled_while_it_waits_for_room_is_not_sent()
    {
        var channel = new FakeChannel(room: 0);
        using var device = new VirtioUserDevice(channel);
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Timeout);
        var cancelled = Task.Run(() => device.Ping(new PingRequest(1), cancellation.Token), Timeout);
        await channel.WouldBlock.WaitAsync(Timeout);

        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        channel.Room = 1;
        var next = Task.Run(() => device.Ping(new PingRequest(2), Timeout), Timeout);
        await channel.Sent.WaitAsync(Timeout);
        channel.Answer(1);

        Assert.Equal(2u, await next);
    }

    [Fact]
    public async Task Bit_31_of_an_answer_is_an_exception_that_names_the_device()
    {
        var channel = new FakeChannel();
        using var device = new VirtioUserDevice(channel);
        var pinging = device.PingAsync(new PingRequest(5), Timeout);
        channel.Answer(1, Revents.Failed);

        var exception = await Assert.ThrowsAsync<PingFailedException>(() => pinging);
        Assert.Equal("5655:7e57:01", exception.Device);
        Assert.Equal(Revents.Failed | 5, exception.Revents);
    }

    [Fact]
    public async Task Bit_31_in_a_batch_stays_with_its_own_ping()
    {
        var channel = new FakeChannel();
        using var device = new VirtioUserDevice(channel);
        var pinging = device.PingAsync(new[] { new PingRequest(1), new PingRequest(2), new PingRequest(3) }, Timeout);
        channel.Answer(1);
        channel.Answer(1, Revents.Failed);
        channel.Answer(1);

        AssertAnswers(await pinging, 1, Revents.Failed | 2, 3);
    }

    [Fact]
    public async Task A_failed_instance_ends_every_call_with_the_error_number()
    {
        var channel = new FakeChannel();
        using var device = new VirtioUserDevice(channel);
        var waiting = Task.Run(() => device.Ping(new PingRequest(1), Timeout), Timeout);
        await channel.Sent.WaitAsync(Timeout);
        var asynchronous = device.PingAsync(new PingRequest(2), Timeout);
        var reading = Task.Run(() => device.ReadEvent(Timeout), Timeout);

        channel.Fail(Errno.EIO);

        foreach (var each in new[] { waiting, asynchronous, reading })
        {
            Assert.Equal(Errno.EIO, (await Assert.ThrowsAsync<VirtioUserException>(() => each)).Errno);
        }

        Assert.Equal("ping", Assert.Throws<VirtioUserException>(() => device.Ping(new PingRequest(3), Timeout)).Operation);
        Assert.Equal("read", Assert.Throws<VirtioUserException>(() => device.ReadEvent(Timeout)).Operation);
    }

    [Fact]
    public async Task Answers_that_came_before_the_failure_are_still_delivered()
    {
        var channel = new FakeChannel();
        using var device = new VirtioUserDevice(channel);
        var pinging = device.PingAsync(new PingRequest(1), Timeout);
        channel.Answer(1);
        channel.Fail(Errno.ENODEV);

        Assert.Equal(1u, await pinging);
        Assert.Equal(Errno.ENODEV, Assert.Throws<VirtioUserException>(() => device.Send(new PingRequest(3), Timeout)).Errno);
    }

    [Fact]
    public async Task Dispose_wakes_everyone_who_waits()
    {
        var channel = new FakeChannel(room: 2);
        var device = new VirtioUserDevice(channel);
        var waiting = Task.Run(() => device.Ping(new PingRequest(1), Timeout), Timeout);
        await channel.Sent.WaitAsync(Timeout);
        var asynchronous = device.PingAsync(new PingRequest(2), Timeout);
        var reading = Task.Run(() => device.ReadEvent(Timeout), Timeout);
        var blocked = Task.Run(() => device.Ping(new PingRequest(3), Timeout), Timeout);
        await channel.WouldBlock.WaitAsync(Timeout);

        device.Dispose();

        foreach (var each in new[] { waiting, asynchronous, reading, blocked })
        {
            await Assert.ThrowsAsync<ObjectDisposedException>(() => each);
        }

        Assert.Throws<ObjectDisposedException>(() => { device.Ping(new PingRequest(4), Timeout); });
        Assert.Throws<ObjectDisposedException>(() => { device.ReadEvent(Timeout); });
        Assert.True(channel.Closed);
    }

    [Fact]
    public void An_answer_that_nobody_asked_for_confuses_nobody()
    {
        var channel = new FakeChannel(answersAtOnce: true);
        using var device = new VirtioUserDevice(channel);
        channel.Raise(99);
        Assert.False(device.TryReadEvent(out _));

        Assert.Equal(1u, device.Ping(new PingRequest(1), Timeout));
    }

    [Fact]
    public void A_ping_without_waiting_can_not_ask_for_an_answer()
    {
        using var device = new VirtioUserDevice(new FakeChannel());

        Assert.Throws<ArgumentException>(() => device.Send(new PingRequest(1) { Events = 1 }, Timeout));
    }

    [Fact]
    public async Task Events_reach_the_device_as_given_and_are_1_if_not_given()
    {
        var channel = new FakeChannel();
        using var device = new VirtioUserDevice(channel);
        device.Send(new PingRequest(1), Timeout);
        var pinging = device.PingAsync(new[] { new PingRequest(2), new PingRequest(3) { Events = 6 } }, Timeout);

        Assert.Equal([0u, 1u, 6u], channel.Pings.Select(ping => ping.Events));
        channel.Answer(3);
        AssertAnswers(await pinging, 2, 3);
    }

    private static void AssertAnswers(uint[] actual, params uint[] expected) => Assert.Equal(expected, actual);
}
