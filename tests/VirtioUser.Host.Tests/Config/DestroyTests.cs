// Config operation 2.
using System.Collections.Concurrent;
using VirtioUser.Devices;
using VirtioUser.Host.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Config;

public class DestroyTests
{
    [Fact]
    public void Runs_the_destroy_callback_once()
    {
        var disposed = 0;
        using var host = new TestHost(new ScriptedDevice(_ => new ScriptedInstance((in _) => 0, () => disposed++)));
        var handle = host.Open();

        host.Close(handle);

        Assert.Equal(1, disposed);
        Assert.Equal(ConfigError.InstanceDestructionFailed, host.Config(ConfigOperation.DestroyInstance, handle).Error);
        Assert.Equal(1, disposed);
    }

    [Theory]
    [InlineData(0ul)]
    [InlineData(99ul)]
    [InlineData(ulong.MaxValue)]
    public void An_unknown_handle_is_refused(ulong handle)
    {
        using var host = new TestHost(new ScriptedDevice((in _) => 0));
        host.Open();

        Assert.Equal(ConfigError.InstanceDestructionFailed, host.Config(ConfigOperation.DestroyInstance, handle).Error);
    }

    [Fact]
    public async Task Pings_in_line_run_in_order_before_the_destroy_callback()
    {
        using var started = new ManualResetEventSlim();
        using var go = new ManualResetEventSlim();
        var log = new ConcurrentQueue<string>();
        using var host = new TestHost(
            new ScriptedDevice(_ => new ScriptedInstance(
                (in ping) =>
                {
                    started.Set();
                    go.Wait();
                    log.Enqueue($"ping {ping.Metadata}");
                    return 0;
                },
                () => log.Enqueue("end"))),
            new HostOptions { DestroyTimeout = Patience.Limit });
        var handle = host.Open();
        for (ulong i = 1; i <= 3; i++)
        {
            host.Ping(handle, i);
        }

        Patience.Wait(started, "the first ping");
        var closing = Task.Run(() => host.Close(handle), TestContext.Current.CancellationToken);
        go.Set();
        await Patience.Await(closing);

        Assert.Equal(["ping 1", "ping 2", "ping 3", "end"], log);
    }

    [Fact]
    public void A_callback_that_does_not_return_delays_the_reply_only_for_a_bounded_time()
    {
        using var started = new ManualResetEventSlim();
        using var go = new ManualResetEventSlim();
        using var disposed = new ManualResetEventSlim();
        using var host = new TestHost(
            new ScriptedDevice(_ => new ScriptedInstance(
                (in _) =>
                {
                    started.Set();
                    go.Wait();
                    return 0;
                },
                disposed.Set)),
            new HostOptions { DestroyTimeout = TimeSpan.FromMilliseconds(5) });
        var handle = host.Open();
        host.Ping(handle, events: 1);
        Patience.Wait(started, "the ping");

        host.Close(handle);

        Assert.False(disposed.IsSet);
        Assert.Contains(host.Log.Lines, line => line.Contains("still in a callback", StringComparison.Ordinal));
        go.Set();
        Patience.Wait(disposed, "the end");
        host.WaitForPings();
        Assert.Empty(host.Events.Of(handle)); // the driver has forgotten the handle
    }

    [Fact]
    public void A_slow_destroy_callback_does_not_hold_up_the_next_request()
    {
        using var go = new ManualResetEventSlim();
        using var disposed = new ManualResetEventSlim();
        var first = true;
        using var host = new TestHost(
            new ScriptedDevice(_ => new ScriptedInstance((in _) => 3, () =>
            {
                if (first)
                {
                    first = false;
                    go.Wait();
                    disposed.Set();
                }
            })),
            new HostOptions { DestroyTimeout = TimeSpan.FromMilliseconds(5) });

        host.Close(host.Open());
        var other = host.Open();
        host.Ping(other, events: 1);
        Assert.Equal([3u], host.Events.WaitFor(other, 1));

        go.Set();
        Patience.Wait(disposed, "the slow end");
    }

    [Fact]
    public void A_destroy_callback_that_throws_ends_the_instance_all_the_same()
    {
        using var host = new TestHost(new ScriptedDevice(_ => new ScriptedInstance((in _) => 0, () => throw new FormatException("no end"))));
        var handle = host.Open();
        host.Allocate(handle);

        host.Close(handle);

        Assert.Contains(host.Log.Lines, line => line.Contains("no end", StringComparison.Ordinal));
        host.WaitForUse(0, 0, 0, 0);
        Assert.Equal(1, host[Counter.InstancesEnded]);
    }

    [Fact]
    public void A_ping_that_comes_after_the_end_is_refused_and_answered_as_bad()
    {
        var calls = 0;
        using var host = new TestHost(new ScriptedDevice((in _) => (uint)++calls));
        var handle = host.Open();
        host.Close(handle);

        host.Ping(handle, events: 1);

        Assert.Equal([Revents.Refused], host.Events.WaitFor(handle, 1));
        Assert.Equal(0, calls);
        Assert.Equal(1, host[Counter.PingsRejected]);
    }

    [Fact]
    public void An_instance_has_no_events_left_to_send_after_its_end()
    {
        InstanceContext? context = null;
        using var host = new TestHost(new ScriptedDevice(its =>
        {
            context = its;
            return new ScriptedInstance((in _) => 0);
        }));

        host.Close(host.Open());

        Assert.False(context!.TrySendEvent(1));
    }
}
