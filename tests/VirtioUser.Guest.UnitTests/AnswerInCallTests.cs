// Pings whose answers come in the call that sends them.
using Virtio.Linux;
using VirtioUser.Guest.Channels;
using VirtioUser.Protocol;
using Xunit;

namespace VirtioUser.Guest.UnitTests;

public class AnswerInCallTests
{
    private static CancellationToken Timeout => TestContext.Current.CancellationToken;

    [Fact]
    public void A_lone_ping_is_one_call()
    {
        var channel = new AllocationFreeChannel(inCall: true);
        using var device = new VirtioUserDevice(channel);

        for (uint i = 1; i <= 10; i++)
        {
            Assert.Equal(i, device.Ping(new PingRequest(i), Timeout));
            Assert.Equal((int)i, channel.Calls);
        }
    }

    [Fact]
    public async Task An_answer_that_does_not_come_in_the_call_comes_later()
    {
        var channel = new FakeChannel { InCall = _ => PingOutcome.Sent };
        using var device = new VirtioUserDevice(channel);
        var pinging = Task.Run(() => device.Ping(new PingRequest(5), Timeout), Timeout);

        await channel.Sent.WaitAsync(Timeout);
        Assert.Equal(1u, Assert.Single(channel.Pings).Events);
        channel.Answer(1);

        Assert.Equal(5u, await pinging);
    }

    [Fact]
    public void A_channel_that_sends_nothing_in_the_call_gets_the_ping_in_the_ordinary_way()
    {
        using var device = new VirtioUserDevice(new FakeChannel(answersAtOnce: true) { InCall = _ => PingOutcome.NotSent });

        Assert.Equal(5u, device.Ping(new PingRequest(5), Timeout));
    }

    [Fact]
    public void Events_reach_the_device_as_given_and_are_1_if_not_given()
    {
        var events = new List<uint>();
        using var device = new VirtioUserDevice(new FakeChannel { InCall = ping => { events.Add(ping.Events); return PingOutcome.Answered; } });

        device.Ping(new PingRequest(1), Timeout);
        device.Ping(new PingRequest(1) { Events = 6 }, Timeout);

        Assert.Equal([1u, 6u], events);
    }

    [Fact]
    public async Task While_another_answer_is_awaited_a_ping_takes_its_place_behind_it()
    {
        var channel = new FakeChannel { InCall = _ => PingOutcome.Answered };
        using var device = new VirtioUserDevice(channel);
        var first = device.PingAsync(new PingRequest(1), Timeout);
        await channel.Sent.WaitAsync(Timeout);
        var second = Task.Run(() => device.Ping(new PingRequest(2), Timeout), Timeout);
        await channel.Sent.WaitAsync(Timeout);
        channel.Answer(2);

        Assert.Equal(1u, await first);
        Assert.Equal(2u, await second);
    }

    [Fact]
    public async Task Senders_that_meet_do_not_hold_each_other_again()
    {
        using var meeting = new SemaphoreSlim(0);
        using var entered = new SemaphoreSlim(0);
        var calls = 0;
        PingOutcome InCall(PingRequest ping)
        {
            calls++;
            entered.Release();
            meeting.Wait(Timeout);
            return PingOutcome.Answered;
        }

        var channel = new FakeChannel(answersAtOnce: true) { InCall = InCall };
        using var device = new VirtioUserDevice(channel);
        var first = Task.Run(() => device.Ping(new PingRequest(1), Timeout), Timeout);
        await entered.WaitAsync(Timeout);
        var second = device.PingAsync(new PingRequest(2), Timeout);
        Assert.False(second.IsCompleted);
        meeting.Release();

        Assert.Equal(1u, await first);
        Assert.Equal(2u, await second);
        Assert.Equal(3u, device.Ping(new PingRequest(3), Timeout));
        Assert.Equal(1, calls);

        // They may well have parted: it is tried again after some time.
        meeting.Release(1000);
        for (var i = 0; calls == 1; i++)
        {
            Assert.Equal((uint)i, device.Ping(new PingRequest((uint)i), Timeout));
        }
    }

    [Fact]
    public async Task Each_of_many_callers_gets_its_own_answers_whichever_way_they_come()
    {
        var random = new Random(1);
        FakeChannel channel = null!;
        PingOutcome InCall(PingRequest ping)
        {
            lock (random)
            {
                return (PingOutcome)random.Next(3);
            }
        }

        channel = new FakeChannel { InCall = InCall };
        using var device = new VirtioUserDevice(channel);
        using var done = CancellationTokenSource.CreateLinkedTokenSource(Timeout);
        var answering = Task.Run(
            async () =>
            {
                while (true)
                {
                    await channel.Sent.WaitAsync(done.Token);
                    channel.Answer(1);
                }
            },
            Timeout);

        await Task.WhenAll(Enumerable.Range(0, 4).Select(caller => Task.Run(
            async () =>
            {
                for (var i = 0; i < 500; i++)
                {
                    var number = (uint)((caller << 16) | i);
                    Assert.Equal(number, i % 50 == caller ? await device.PingAsync(new PingRequest(number), Timeout) : device.Ping(new PingRequest(number), Timeout));
                }
            },
            Timeout)));

        await done.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => answering);
    }

    [Fact]
    public void Events_that_the_device_sends_on_its_own_meanwhile_are_kept()
    {
        FakeChannel channel = null!;
        channel = new FakeChannel
        {
            InCall = _ =>
            {
                channel.Raise(Revents.Unsolicited | 7);
                return PingOutcome.Answered;
            },
        };
        using var device = new VirtioUserDevice(channel);

        Assert.Equal(5u, device.Ping(new PingRequest(5), Timeout));
        Assert.True(device.TryReadEvent(out var revents));
        Assert.Equal(7u, revents);
    }

    [Fact]
    public void A_failure_in_the_call_is_the_caller_s_and_leaves_no_answer_awaited()
    {
        var channel = new FakeChannel { InCall = _ => PingOutcome.Answered };
        using var device = new VirtioUserDevice(channel);
        channel.Fail(Errno.EIO);
        Assert.Equal(Errno.EIO, Assert.Throws<VirtioUserException>(() => { device.Ping(new PingRequest(1), Timeout); }).Errno);
        channel.Fail(Errno.None);

        Assert.Equal(2u, device.Ping(new PingRequest(2), Timeout));
    }

    [Fact]
    public async Task Dispose_ends_the_wait_for_an_answer_that_did_not_come_in_the_call()
    {
        var channel = new FakeChannel { InCall = _ => PingOutcome.Sent };
        var device = new VirtioUserDevice(channel);
        var pinging = Task.Run(() => device.Ping(new PingRequest(5), Timeout), Timeout);
        await channel.Sent.WaitAsync(Timeout);

        device.Dispose();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => pinging);
        Assert.Throws<ObjectDisposedException>(() => { device.Ping(new PingRequest(6), Timeout); });
    }

    [Fact]
    public void A_cancelled_ping_is_not_sent()
    {
        using var device = new VirtioUserDevice(new FakeChannel { InCall = _ => throw new InvalidOperationException("It was sent.") });

        Assert.Throws<OperationCanceledException>(() => { device.Ping(new PingRequest(6), new CancellationToken(canceled: true)); });
    }
}
