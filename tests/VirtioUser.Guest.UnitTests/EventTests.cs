// Events that the device sends on its own.
using Virtio.Linux;
using VirtioUser.Guest.Messages;
using VirtioUser.Protocol;
using Xunit;

namespace VirtioUser.Guest.UnitTests;

public class EventTests
{
    private static CancellationToken Timeout => TestContext.Current.CancellationToken;

    [Fact]
    public void Events_come_without_the_bit_that_marks_them()
    {
        var channel = new FakeChannel();
        using var device = new VirtioUserDevice(channel);
        channel.Raise(Revents.Unsolicited | 5);

        Assert.Equal(5u, device.ReadEvent(Timeout));
        Assert.False(device.TryReadEvent(out _));
    }

    [Fact]
    public void Events_between_answers_reach_neither_too_early_nor_the_wrong_caller()
    {
        var channel = new FakeChannel(answersAtOnce: true);
        using var device = new VirtioUserDevice(channel);
        channel.Raise(Revents.Unsolicited | 5, Revents.Unsolicited | 6);

        Assert.Equal(1u, device.Ping(new PingRequest(1), Timeout));
        Assert.True(device.TryReadEvent(out var first));
        Assert.Equal(5u, first);
        Assert.Equal(6u, device.ReadEvent(Timeout));
    }

    [Fact]
    public async Task The_stream_yields_events_in_order()
    {
        var channel = new FakeChannel();
        using var device = new VirtioUserDevice(channel);
        channel.Raise(Revents.Unsolicited | 1, Revents.Unsolicited | 2);
        var seen = new List<uint>();

        await foreach (var revents in device.ReadEventsAsync(Timeout))
        {
            seen.Add(revents);
            if (revents == 2)
            {
                channel.Raise(Revents.Unsolicited | 3);
            }

            if (revents == 3)
            {
                break;
            }
        }

        Assert.Equal([1u, 2u, 3u], seen);
    }

    [Fact]
    public async Task A_stream_and_a_thread_that_pings_do_not_hinder_each_other()
    {
        var channel = new FakeChannel(answersAtOnce: true);
        using var device = new VirtioUserDevice(channel);
        var reading = Task.Run(
            async () =>
            {
                uint expected = 0;
                await foreach (var revents in device.ReadEventsAsync(Timeout))
                {
                    Assert.Equal(expected++, revents);
                    if (expected == 300)
                    {
                        break;
                    }
                }
            },
            Timeout);

        for (uint i = 0; i < 300; i++)
        {
            channel.Raise(Revents.Unsolicited | i);
            Assert.Equal(i, device.Ping(new PingRequest(i), Timeout));
        }

        await reading;
    }

    [Fact]
    public void A_loss_is_told_once_and_reading_goes_on()
    {
        var channel = new FakeChannel();
        using var device = new VirtioUserDevice(channel);
        channel.Raise(Revents.Unsolicited | 1);
        channel.LoseEvents();

        Assert.Equal(Errno.EOVERFLOW, Assert.Throws<EventsLostException>(() => device.ReadEvent(Timeout)).Errno);
        Assert.Equal(1u, device.ReadEvent(Timeout));
        Assert.False(device.TryReadEvent(out _));
    }

    [Fact]
    public async Task A_new_stream_goes_on_after_a_loss()
    {
        var channel = new FakeChannel();
        using var device = new VirtioUserDevice(channel);
        channel.LoseEvents();
        channel.Raise(Revents.Unsolicited | 1);

        await Assert.ThrowsAsync<EventsLostException>(async () => await First(device, Timeout));
        Assert.Equal(1u, await First(device, Timeout));
    }

    [Fact]
    public void Events_that_nobody_reads_are_kept_up_to_a_bound_and_their_loss_is_told()
    {
        var channel = new FakeChannel(answersAtOnce: true);
        using var device = new VirtioUserDevice(channel);
        for (uint i = 0; i <= OwnEventQueue.Capacity; i++)
        {
            channel.Raise(Revents.Unsolicited | i);
        }

        Assert.Equal(1u, device.Ping(new PingRequest(1), Timeout));

        Assert.Throws<EventsLostException>(() => device.ReadEvent(Timeout));
        for (uint i = 0; i < OwnEventQueue.Capacity; i++)
        {
            Assert.Equal(i, device.ReadEvent(Timeout));
        }

        Assert.False(device.TryReadEvent(out _));
    }

    [Fact]
    public void Notices_of_the_host_are_not_events()
    {
        var channel = new FakeChannel();
        using var device = new VirtioUserDevice(channel);
        channel.Raise(Revents.NoticeEventsLost, Revents.Unsolicited | 1);

        Assert.Equal(1u, device.ReadEvent(Timeout));
    }

    [Fact]
    public async Task Waiting_for_an_event_can_be_cancelled()
    {
        var channel = new FakeChannel();
        using var device = new VirtioUserDevice(channel);
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Timeout);
        var waiting = Task.Run(() => device.ReadEvent(cancellation.Token), Timeout);
        var other = Task.Run(() => device.ReadEvent(Timeout), Timeout);
        var stream = Task.Run(() => First(device, cancellation.Token), Timeout);

        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => stream);
        channel.Raise(Revents.Unsolicited | 1);

        Assert.Equal(1u, await other);
    }

    [Fact]
    public async Task Dispose_ends_a_stream()
    {
        var device = new VirtioUserDevice(new FakeChannel());
        var stream = First(device, Timeout);

        device.Dispose();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => stream);
    }

    private static async Task<uint> First(VirtioUserDevice device, CancellationToken cancellationToken)
    {
        await foreach (var revents in device.ReadEventsAsync(cancellationToken))
        {
            return revents;
        }

        throw new InvalidOperationException("The stream ended.");
    }
}
