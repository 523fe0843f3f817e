// Threads that are interrupted in the middle of a call.
using Xunit;

namespace VirtioUser.Guest.UnitTests;

public class InterruptTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private static CancellationToken Timeout => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_thread_that_is_interrupted_in_a_ping_does_not_keep_the_instance_deaf()
    {
        var channel = new FakeChannel { ManagedWaits = true };
        using var device = new VirtioUserDevice(channel);
        var first = Caller.Start(() => device.Ping(new PingRequest(1)));
        await Came(channel.Sent);
        await Came(channel.Waits);

        first.Interrupt();

        await first.AssertInterruptedAsync();
        var second = Caller.Start(() => Assert.Equal(2u, device.Ping(new PingRequest(2))));
        await Came(channel.Sent);
        channel.Answer(2); // the first one's is dropped
        await second.Task;
        channel.Raise(Protocol.Revents.Unsolicited | 7);
        Assert.Equal(7u, device.ReadEvent(Timeout));
    }

    [Fact]
    public async Task A_thread_that_is_interrupted_while_it_reads_leaves_the_receiving_to_the_next()
    {
        var channel = new FakeChannel { ManagedWaits = true };
        using var device = new VirtioUserDevice(channel);
        var receiver = Caller.Start(() => device.ReadEvent());
        await Came(channel.Waits);
        var sleeper = Caller.Start(() => Assert.Equal(5u, device.ReadEvent()));

        receiver.Interrupt();

        await receiver.AssertInterruptedAsync();
        await Came(channel.Waits); // the other one, if it slept already, is woken
        channel.Raise(Protocol.Revents.Unsolicited | 5);
        await sleeper.Task;
    }

    [Fact]
    public async Task A_thread_that_is_interrupted_while_another_receives_is_not_counted_any_more()
    {
        var channel = new FakeChannel { ManagedWaits = true };
        using var device = new VirtioUserDevice(channel);
        var receiver = Caller.Start(() => Assert.Equal(5u, device.ReadEvent()));
        await Came(channel.Waits);
        for (var i = 0; i < 10; i++)
        {
            var sleeper = Caller.Start(() => device.ReadEvent());
            sleeper.Interrupt(); // in its sleep, or before
            await sleeper.AssertInterruptedAsync();
        }

        channel.Raise(Protocol.Revents.Unsolicited | 5);
        await receiver.Task;
        var pinging = Caller.Start(() => Assert.Equal(3u, device.Ping(new PingRequest(3))));
        await Came(channel.Sent);
        channel.Answer(1);
        await pinging.Task;
    }

    [Fact]
    public async Task A_thread_that_is_interrupted_while_it_waits_to_send_gives_its_turn_away()
    {
        var channel = new FakeChannel(room: 0) { ManagedWaits = true };
        using var device = new VirtioUserDevice(channel);
        var first = Caller.Start(() => device.Send(new PingRequest(1)));
        await Came(channel.Waits);
        var second = Caller.Start(() => device.Send(new PingRequest(2)));

        first.Interrupt();

        await first.AssertInterruptedAsync();
        channel.Room = 1;
        await second.Task;
        Assert.Equal(2u, Assert.Single(channel.Pings).Metadata);
    }

    [Fact]
    public async Task Asynchronous_callers_go_on_when_a_thread_that_received_for_them_is_interrupted()
    {
        var channel = new FakeChannel { ManagedWaits = true };
        using var device = new VirtioUserDevice(channel);
        var receiver = Caller.Start(() => device.ReadEvent());
        await Came(channel.Waits);
        var pinging = device.PingAsync(new PingRequest(9), Timeout);
        await Came(channel.Sent);

        receiver.Interrupt();

        await receiver.AssertInterruptedAsync();
        channel.Answer(1);
        Assert.Equal(9u, await pinging.WaitAsync(Patience, Timeout));
    }

    [Fact]
    public async Task Nothing_is_lost_among_threads_that_are_interrupted_all_the_time()
    {
        const int threads = 6, rounds = 300;
        var channel = new FakeChannel(answersAtOnce: true) { ManagedWaits = true };
        using var device = new VirtioUserDevice(channel);
        var callers = Enumerable.Range(0, threads).Select(number => Caller.Start(() =>
        {
            for (var round = 0u; round < rounds; round++)
            {
                try
                {
                    var sign = ((uint)number << 16) | round;
                    Assert.Equal(sign, device.Ping(new PingRequest(sign)));
                }
                catch (ThreadInterruptedException)
                {
                    // The answer to this one is dropped, and to no other one.
                }
            }
        })).ToArray();
        var random = new Random(1);
        while (callers.Any(caller => !caller.Task.IsCompleted))
        {
            callers[random.Next(threads)].Interrupt();
            Thread.Yield();
        }

        await Task.WhenAll(callers.Select(caller => caller.Task));
        Assert.Equal(1u, device.Ping(new PingRequest(1), Timeout));
        device.Send(new PingRequest(2), Timeout);
    }

    private static async Task Came(SemaphoreSlim signal) => Assert.True(await signal.WaitAsync(Patience, Timeout), "Waited in vain.");

    /// <summary>A thread of its own that makes a call.</summary>
    private sealed class Caller
    {
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Thread _thread;

        private Caller(Action action) => _thread = new Thread(() =>
        {
            try
            {
                action();
                _ended.SetResult();
            }
#pragma warning disable CA1031 // it is in the task
            catch (Exception e)
#pragma warning restore CA1031
            {
                _ended.SetException(e);
            }
        })
        { IsBackground = true };

        public Task Task => _ended.Task.WaitAsync(Patience);

        public static Caller Start(Action action)
        {
            var caller = new Caller(action);
            caller._thread.Start();
            return caller;
        }

        public void Interrupt() => _thread.Interrupt();

        public Task<ThreadInterruptedException> AssertInterruptedAsync() => Assert.ThrowsAsync<ThreadInterruptedException>(() => Task);
    }
}
