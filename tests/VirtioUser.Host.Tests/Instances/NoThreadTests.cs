// A system that has no thread left.
using System.Runtime.CompilerServices;
using VirtioUser.Host.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Instances;

public class NoThreadTests
{
    [Fact]
    public async Task Instances_of_a_driver_that_goes_end_when_there_is_a_thread_and_on_no_thread_of_the_transport()
    {
        var exhausted = HostThread.Exhausted.Value = new StrongBox<bool>();
        var disposedOn = new List<int>();
        using var host = new TestHost(new ScriptedDevice(_ => new ScriptedInstance((in ping) => 1, () => disposedOn.Add(Environment.CurrentManagedThreadId))));
        host.Open();
        host.Open();

        exhausted.Value = true;
        var ended = host.ReplaceDriver();

        host.WaitForLine("no thread left: instances end when there is one");
        Assert.False(ended.IsCompleted);
        Assert.Empty(disposedOn);
        exhausted.Value = false;
        var transport = Environment.CurrentManagedThreadId;
        await Patience.Await(ended);
        Assert.Equal(2, disposedOn.Count);
        Assert.DoesNotContain(transport, disposedOn);
    }

    [Fact]
    public void An_instance_that_is_closed_ends_when_there_is_a_thread_and_others_go_on()
    {
        var exhausted = HostThread.Exhausted.Value = new StrongBox<bool>();
        using var disposed = new ManualResetEventSlim();
        using var go = new ManualResetEventSlim();
        var opened = 0;
        using var host = new TestHost(
            new ScriptedDevice(_ => new ScriptedInstance((in ping) => 1, ++opened == 1 ? go.Wait : disposed.Set)),
            new HostOptions { DestroyTimeout = TimeSpan.FromMilliseconds(1) });
        var (hangs, closed, other) = (host.Open(), host.Open(), host.Open());
        host.Close(hangs); // keeps the thread that would run the next callback

        exhausted.Value = true;
        host.Close(closed);
        Assert.False(disposed.IsSet);
        host.Ping(other, events: 1);
        Assert.Equal([1u], host.Events.WaitFor(other, 1));
        Assert.Equal(ConfigError.InstanceCreationFailed, host.TryOpen(ScriptedDevice.Default).Error);

        exhausted.Value = false;
        Patience.Wait(disposed, "the end of the instance");
        go.Set();
    }
}
