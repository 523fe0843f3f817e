// A system that has no thread left.
using System.Runtime.CompilerServices;
using VirtioUser.Host.Tests.Support;

namespace VirtioUser.Host.Tests.Instances;

public class NoThreadTests
{
    [Fact]
    public void Kicks_that_nobody_waits_for_are_seen_when_there_is_a_thread()
    {
        var exhausted = HostThread.Exhausted.Value = new StrongBox<bool>();
        using var go = new ManualResetEventSlim();
        using var host = new TestHost(new ScriptedDevice((in ping) =>
        {
            if (ping.Metadata == 1)
            {
                go.Wait();
            }

            return 1;
        }));
        var hang = Enumerable.Range(0, 8).Select(_ => host.Open()).ToList(); // more than there are threads
        var other = host.Open();

        exhausted.Value = true;
        hang.ForEach(handle => host.Ping(handle, 1, events: 1));
        host.Ping(other, 0, events: 1);
        host.WaitForLine("no thread left");

        exhausted.Value = false;
        Assert.Equal([1u], host.Events.WaitFor(other, 1));
        go.Set();
        Assert.All(hang, handle => Assert.Equal([1u], host.Events.WaitFor(handle, 1)));
    }
}
