// A guest that gives no event buffers, for a while or at all.
using VirtioUser.Devices;
using VirtioUser.Host.Pings;
using VirtioUser.Host.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Events;

public class NoBufferTests
{
    private const int Bound = 4;

    [Fact]
    public void Pings_of_the_instance_wait_at_the_bound_while_others_go_on_and_nothing_is_lost()
    {
        var calls = 0;
        using var host = new TestHost(
            new ScriptedDevice((in ping) =>
            {
                if (ping.Events != 0)
                {
                    calls++; // one instance only, so one thread at a time
                }

                return (uint)ping.Metadata;
            }),
            new HostOptions { MaxAnswersWaiting = Bound, MaxPingsKept = 0 },
            eventBuffers: 0,
            ringSize: 64);
        var (full, other) = (host.Open(), host.Open());

        for (uint i = 0; i < 20; i++)
        {
            host.Ping(full, i, events: 1);
        }

        for (var i = 0; i < 200; i++)
        {
            host.Ping(other, events: 0); // waits for a free entry: others' pings come back
        }

        host.Pings.WaitForFree(64 - (20 - Bound)); // the one that waits and those behind it are in the ring
        Assert.Equal(Bound, Volatile.Read(ref calls));
        Assert.Empty(host.Events.Seen);

        host.Events.AddBuffers(100);
        Assert.Equal(Enumerable.Range(0, 20).Select(i => (uint)i), host.Events.WaitFor(full, 20));
        host.WaitForPings();
    }

    [Fact]
    public void Events_go_on_one_by_one_as_buffers_come()
    {
        using var host = new TestHost(new ScriptedDevice((in ping) => (uint)ping.Metadata), eventBuffers: 0);
        var handle = host.Open();
        for (uint i = 0; i < 10; i++)
        {
            host.Ping(handle, i, events: 1);
        }

        for (var i = 1; i <= 10; i++)
        {
            host.Events.AddBuffers(1);
            Assert.Equal((uint)i - 1, host.Events.WaitFor(handle, i)[^1]);
        }
    }

    [Fact]
    public void Buffers_are_noticed_although_the_ping_queue_never_rests()
    {
        InstanceContext? quiet = null;
        using var host = new TestHost(
            new ScriptedDevice(context =>
            {
                quiet ??= context;
                return new ScriptedInstance((in _) => 0);
            }),
            eventBuffers: 0);
        var (handle, flooding) = (host.Open(), host.Open());
        host.Model.AttachPings(new EndlessPings(flooding));

        Assert.True(quiet!.TrySendEvent(5));
        host.Events.WaitForRefusal();
        host.Events.AddBuffers(1);

        Assert.Equal([Revents.Unsolicited | 5], host.Events.WaitFor(handle, 1));
        host.Model.DetachPings();
    }

    [Fact]
    public void Destroying_an_instance_whose_pings_wait_for_room_cancels_them()
    {
        using var host = new TestHost(
            new ScriptedDevice((in _) => 1),
            new HostOptions { MaxAnswersWaiting = 1, DestroyTimeout = TimeSpan.FromMilliseconds(5) },
            eventBuffers: 0);
        var handle = host.Open();
        for (var i = 0; i < 5; i++)
        {
            host.Ping(handle, events: 1);
        }

        host.Events.WaitForRefusal();
        host.Pings.WaitForAll(); // one has run, one waits for room, three are in line
        host.Close(handle);

        host.Events.AddBuffers(100);
        var other = host.Open();
        host.Ping(other, events: 1);
        Assert.Equal([1u], host.Events.WaitFor(other, 1));
        Assert.Empty(host.Events.Of(handle)); // the driver has forgotten the handle
        Assert.True(SpinWait.SpinUntil(() => host[Counter.PingsCancelled] == 4, Patience.Limit)); // on the thread that waited
    }

    [Fact]
    public async Task A_driver_that_goes_frees_those_who_wait_for_room()
    {
        using var host = new TestHost(new ScriptedDevice((in _) => 1), new HostOptions { MaxAnswersWaiting = 1 }, eventBuffers: 0);
        var handle = host.Open();
        for (var i = 0; i < 5; i++)
        {
            host.Ping(handle, events: 1);
        }

        host.Events.WaitForRefusal();
        await Patience.Await(host.ReplaceDriver());

        Assert.Equal(host[Counter.InstancesCreated], host[Counter.InstancesEnded]);
        Assert.Empty(host.Events.Of(handle));
        host.WaitForUse(0, 0, 0, 0);
    }

    [Fact]
    public void What_ended_instances_leave_behind_is_bounded_while_the_guest_takes_nothing()
    {
        // Each instance sends an event when it begins. A guest without event buffers that opens and closes for
        // ever must run into a bound, not into the host's memory.
        const int bound = 10;
        using var host = new TestHost(
            new ScriptedDevice(context =>
            {
                context.TrySendEvent(1);
                return new ScriptedInstance((in _) => 0);
            }),
            new HostOptions { MaxInstances = bound },
            eventBuffers: 0);

        host.Open(); // its event is the first in line and stays there
        var made = 1;
        while (made <= 2 * bound && host.TryOpen(ScriptedDevice.Default) is { Error: ConfigError.None } reply)
        {
            made++;
            host.Close(reply.InstanceHandle);
        }

        Assert.Equal(bound, made);
        host.Events.AddBuffers(1000);
        Assert.True(SpinWait.SpinUntil(() => host.TryOpen(ScriptedDevice.Default).Error == ConfigError.None, Patience.Limit));
    }

    private sealed class EndlessPings(ulong handle) : IPingQueue
    {
        public bool HasNext => true;

        public PingTake TryTake(ref PingMessage message, out ushort head, ref int budget)
        {
            head = 0;
            budget--;
            message = new PingMessage { InstanceHandle = handle };
            return PingTake.Taken;
        }

        public bool ArmKick() => throw new InvalidOperationException("There is always a ping.");

        public void Return(ushort head)
        {
        }

        public void DisarmKick()
        {
        }

        public bool MustSignal() => false;

        public void Signal()
        {
        }
    }
}
