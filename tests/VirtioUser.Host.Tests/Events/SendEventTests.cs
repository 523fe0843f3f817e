// Own events that wait for room.
using VirtioUser.Devices;
using VirtioUser.Host.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Events;

public class SendEventTests
{
    private readonly List<InstanceContext> _contexts = [];

    [Fact]
    public async Task Events_wait_for_room_stay_in_order_and_none_is_lost()
    {
        const int count = 500;
        using var host = NewHost(bound: 3);
        var (handle, other) = (host.Open(), host.Open());
        var sent = Enumerable.Range(0, count).Select(i => _contexts[0].SendEventAsync((uint)i).AsTask()).ToList(); // none is awaited
        Assert.Equal(3, sent.Count(task => task.IsCompleted));
        Assert.True(await _contexts[1].SendEventAsync(9, TestContext.Current.CancellationToken)); // others have room of their own

        host.Events.AddBuffers(2);
        await Patience.Await(Task.WhenAll(sent[..5])); // one for each that the guest took
        Assert.Equal(2, host.Events.WaitFor(handle, 2).Count);
        host.Events.AddBuffers(int.MaxValue / 2);
        Assert.All(await Task.WhenAll(sent).WaitAsync(Patience.Limit, TestContext.Current.CancellationToken), Assert.True);
        Assert.Equal(Enumerable.Range(0, count).Select(i => Own(i)), host.Events.WaitFor(handle, count));
        Assert.Equal([Own(9)], host.Events.WaitFor(other, 1));
        Assert.Equal(0, host[Counter.EventsDropped]);
    }

    [Fact]
    public async Task A_later_event_does_not_take_the_room_of_one_that_waits()
    {
        using var host = NewHost(bound: 1);
        var handle = host.Open();
        for (var i = 0; i < 100; i += 3)
        {
            Assert.True(_contexts[0].TrySendEvent((uint)i));
            var waits = _contexts[0].SendEventAsync((uint)i + 1, TestContext.Current.CancellationToken).AsTask();
            host.Events.AddBuffers(1);
            host.Events.WaitFor(handle, i + 1);
            var behind = _contexts[0].SendEventAsync((uint)i + 2, TestContext.Current.CancellationToken).AsTask();
            host.Events.AddBuffers(2);
            Assert.True(await waits.WaitAsync(Patience.Limit, TestContext.Current.CancellationToken));
            Assert.True(await behind.WaitAsync(Patience.Limit, TestContext.Current.CancellationToken));
            Assert.Equal(Enumerable.Range(0, i + 3).Select(Own), host.Events.WaitFor(handle, i + 3));
        }
    }

    [Fact]
    public async Task A_wait_that_is_cancelled_sends_nothing_and_costs_the_next_one_no_room()
    {
        using var host = NewHost(bound: 1);
        var handle = host.Open();
        Assert.True(_contexts[0].TrySendEvent(1));
        using var cancellation = new CancellationTokenSource();
        var given = Enumerable.Range(0, 50).Select(_ => _contexts[0].SendEventAsync(2, cancellation.Token).AsTask()).ToList();
        var last = _contexts[0].SendEventAsync(3, CancellationToken.None).AsTask();

        await cancellation.CancelAsync();
        foreach (var task in given)
        {
            var exception = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => task.WaitAsync(Patience.Limit, TestContext.Current.CancellationToken));
            Assert.Equal(cancellation.Token, exception.CancellationToken);
        }

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _contexts[0].SendEventAsync(4, cancellation.Token).AsTask());
        host.Events.AddBuffers(100);
        Assert.True(await last.WaitAsync(Patience.Limit, TestContext.Current.CancellationToken));
        Assert.Equal([Own(1), Own(3)], host.Events.WaitFor(handle, 2));
    }

    [Theory]
    [InlineData("driver goes")]
    [InlineData("guest closes")]
    [InlineData("guest closes, and the device ends when its events are sent")]
    [InlineData("device fails")]
    public async Task A_wait_ends_with_false_when_the_instance_ends(string how)
    {
        var waiting = new List<Task<bool>>();
        using var host = new TestHost(
            new ScriptedDevice(context =>
            {
                _contexts.Add(context);
                return new AsyncInstance(
                    (_, _) => throw new FormatException(),
                    async () =>
                    {
                        if (how.EndsWith("sent", StringComparison.Ordinal))
                        {
                            await Task.WhenAll(waiting);
                        }
                    });
            }),
            new HostOptions { MaxOwnEventsWaiting = 1, DestroyTimeout = Patience.Limit },
            eventBuffers: 0);
        var handle = host.Open();
        Assert.True(await _contexts[0].SendEventAsync(1, TestContext.Current.CancellationToken));
        waiting.AddRange(Enumerable.Range(0, 3).Select(_ => _contexts[0].SendEventAsync(2).AsTask()));

        switch (how)
        {
            case "driver goes":
                _ = host.ReplaceDriver();
                break;
            case "device fails":
                host.Ping(handle);
                break;
            default:
                host.Close(handle); // would take as long as a test may, if it waited for room
                break;
        }

        Assert.All(await Task.WhenAll(waiting).WaitAsync(Patience.Limit, TestContext.Current.CancellationToken), Assert.False);
        Assert.False(await _contexts[0].SendEventAsync(3, TestContext.Current.CancellationToken));
        Assert.False(_contexts[0].TrySendEvent(3));
        await Patience.Await(host.ReplaceDriver());
    }

    [Fact]
    public async Task A_callback_that_waits_for_room_goes_on_when_the_guest_makes_some()
    {
        using var host = new TestHost(
            new ScriptedDevice(context => new AsyncInstance(async (ping, _) =>
            {
                for (uint i = 0; i < 20; i++)
                {
                    Assert.True(await context.SendEventAsync(i, CancellationToken.None));
                }

                return (uint)ping.Metadata;
            })),
            new HostOptions { MaxOwnEventsWaiting = 2 },
            eventBuffers: 0);
        var handle = host.Open();
        host.Ping(handle, 77, events: 1);
        for (var i = 1; i <= 20; i++)
        {
            host.Events.AddBuffers(1);
            host.Events.WaitFor(handle, i);
        }

        host.Events.AddBuffers(1);
        Assert.Equal([.. Enumerable.Range(0, 20).Select(Own), 77u], host.Events.WaitFor(handle, 21));
        await Patience.Await(host.ReplaceDriver());
    }

    private static uint Own(int revents) => Revents.Unsolicited | (uint)revents;

    private TestHost NewHost(int bound) => new(
        new ScriptedDevice(context =>
        {
            _contexts.Add(context);
            return new ScriptedInstance((in _) => 1);
        }),
        new HostOptions { MaxOwnEventsWaiting = bound },
        eventBuffers: 0);
}
