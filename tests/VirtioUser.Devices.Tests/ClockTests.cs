// The example of docs/write-a-device.md.
using System.Collections.Concurrent;
using Examples;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using VirtioUser.Protocol;
using Xunit;

namespace VirtioUser.Devices.Tests;

public class ClockTests
{
    [Fact]
    public void It_lists_the_versions_that_it_knows() => Assert.Equal([1u, 2u], new ClockDevice().Versions);

    [Fact]
    public void It_ticks_from_the_ping_that_asks_for_it()
    {
        var context = new Context();
        using var clock = new ClockDevice().CreateInstance(context);

        Assert.Equal(0u, clock.OnPing(new Ping(new AsyncPing(0, 1, 0, 0, default))));
        Assert.Equal(0u, clock.OnPing(new Ping(new AsyncPing(3601, 1, 0, 0, default))));
        Assert.Empty(context.Events);
        Assert.Equal(1u, clock.OnPing(new Ping(new AsyncPing(1, 1, 0, 0, default))));

        // Ticks of a timer may overtake each other.
        var seen = new HashSet<uint>();
        while (!seen.IsSupersetOf([1, 2, 3]))
        {
            Assert.True(seen.Add(context.Events.Take(TestContext.Current.CancellationToken)));
        }
    }

    private sealed class Context : InstanceContext
    {
        public BlockingCollection<uint> Events { get; } = [];

        public override ulong Handle => 1;

        public override DeviceIdentity Identity => new(0x1234, 0x0002, 2);

        public override ILogger Logger => NullLogger.Instance;

        public override bool TrySendEvent(uint revents)
        {
            Events.Add(revents);
            return true;
        }
    }
}
