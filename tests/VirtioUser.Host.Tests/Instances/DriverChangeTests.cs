// A guest that stops, goes on, goes away and comes back; and the end of the host.
using VirtioUser.Host.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Instances;

public class DriverChangeTests
{
    [Fact]
    public void Stop_and_go_on_in_the_middle_of_traffic_loses_nothing()
    {
        const int count = 3000;
        using var host = new TestHost(new ScriptedDevice((in ping) => (uint)ping.Metadata), ringSize: 64);
        var handle = host.Open();
        var guest = new Thread(() =>
        {
            for (uint i = 0; i < count; i++)
            {
                host.Ping(handle, i, events: 1);
            }
        });
        guest.Start();

        for (var i = 0; i < 50; i++)
        {
            host.Detach(); // touching a queue from here on fails the test
            Thread.Yield();
            host.Attach();
        }

        Assert.Equal(Enumerable.Range(0, count).Select(i => (uint)i), host.Events.WaitFor(handle, count));
        host.WaitForPings();
        guest.Join();
    }

    [Fact]
    public void A_callback_that_returns_while_stopped_gives_entry_and_answer_when_the_guest_goes_on()
    {
        using var started = new ManualResetEventSlim();
        using var go = new ManualResetEventSlim();
        using var host = new TestHost(
            new ScriptedDevice(context => new ScriptedInstance((in _) =>
            {
                started.Set();
                go.Wait();
                return 4;
            })));
        var handle = host.Open();
        host.Ping(handle, events: 1);
        Patience.Wait(started, "the callback");

        host.Detach();
        go.Set();
        Assert.Empty(host.Events.Seen);
        host.Attach();

        Assert.Equal([4u], host.Events.WaitFor(handle, 1));
        host.WaitForPings();
    }

    [Fact]
    public async Task A_new_driver_gets_no_entry_no_event_and_no_instance_of_the_old_one()
    {
        using var started = new ManualResetEventSlim();
        using var go = new ManualResetEventSlim();
        using var host = new TestHost(
            new ScriptedDevice((in ping) =>
            {
                if (ping.Metadata == 1)
                {
                    started.Set();
                    go.Wait();
                }

                return 4;
            }),
            eventBuffers: 0);
        var (hung, idle) = (host.Open(), host.Open());
        host.Allocate(idle);
        host.Ping(12345, events: 1); // answered to nobody; its answer waits for a buffer
        host.Ping(idle, events: 1);
        host.Ping(hung, 1, events: 1);
        host.Ping(hung, 2, events: 1);
        Patience.Wait(started, "the callback");
        host.Pings.WaitForAll(); // all are in the host's hands

        var ended = host.ReplaceDriver();
        var mine = host.Open();
        host.Ping(idle, events: 1);
        host.Ping(mine, events: 1);
        Assert.Equal([4u], host.Events.WaitFor(mine, 1));
        Assert.Equal(ConfigError.InstanceDestructionFailed, host.Config(ConfigOperation.DestroyInstance, hung).Error);
        go.Set();
        await Patience.Await(ended);
        host.Ping(mine, events: 1);
        host.Events.WaitFor(mine, 2);

        Assert.Equal(
            [(idle, Revents.Refused), (mine, 4u), (mine, 4u)],
            host.Events.Seen.Select(seen => (seen.InstanceHandle, seen.Revents)).Order()); // that of two instances is no order
        Assert.Equal(1, host[Counter.PingsCancelled]);
        host.WaitForPings();
        host.WaitForUse(1, 0, 0, 0);
    }

    [Fact]
    public async Task An_instance_in_the_making_when_its_driver_goes_is_ended_too()
    {
        using var making = new ManualResetEventSlim();
        using var go = new ManualResetEventSlim();
        using var disposed = new ManualResetEventSlim();
        using var host = new TestHost(
            new ScriptedDevice(_ =>
            {
                making.Set();
                go.Wait();
                return new ScriptedInstance((in _) => 0, disposed.Set);
            }),
            new HostOptions { CreateTimeout = Patience.Limit });
        var opening = Task.Run(() => host.TryOpen(ScriptedDevice.Default), TestContext.Current.CancellationToken);
        Patience.Wait(making, "the creation");

        await Patience.Await(host.ReplaceDriver());
        go.Set();

        await Patience.Await(opening);
        Patience.Wait(disposed, "the end");
        host.WaitForUse(0, 0, 0, 0);
        Assert.Equal(host[Counter.InstancesCreated], host[Counter.InstancesEnded]);
    }

    [Fact]
    public async Task A_destroy_callback_that_hangs_does_not_keep_the_others_from_ending()
    {
        using var go = new ManualResetEventSlim();
        using var others = new CountdownEvent(20);
        var first = true;
        using var host = new TestHost(new ScriptedDevice(_ =>
        {
            var hangs = first;
            first = false;
            return new ScriptedInstance((in _) => 0, () =>
            {
                if (hangs)
                {
                    go.Wait();
                }
                else
                {
                    others.Signal();
                }
            });
        }));
        for (var i = 0; i < 21; i++)
        {
            host.Open();
        }

        var ended = host.ReplaceDriver();
        Assert.True(others.Wait(Patience.Limit, TestContext.Current.CancellationToken));
        Assert.False(ended.IsCompleted);

        go.Set();
        await Patience.Await(ended);
    }

    [Fact]
    public void The_end_of_the_host_ends_its_threads_and_a_callback_may_come_back_later()
    {
        using var started = new ManualResetEventSlim();
        using var go = new ManualResetEventSlim();
        Thread? inCallback = null;
        var host = new TestHost(new ScriptedDevice((in _) =>
        {
            inCallback = Thread.CurrentThread;
            started.Set();
            go.Wait();
            throw new FormatException("late"); // even this must not bring the process down
        }));
        host.Ping(host.Open(), events: 1);
        Patience.Wait(started, "the callback");

        host.Dispose();
        go.Set();

        Assert.True(inCallback!.Join(Patience.Limit));
    }
}
