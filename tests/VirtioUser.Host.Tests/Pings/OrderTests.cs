// Strict order within an instance, and nobody held up by another.
using System.Collections.Concurrent;
using VirtioUser.Host.Tests.Support;

namespace VirtioUser.Host.Tests.Pings;

public class OrderTests
{
    [Fact]
    public void Pings_of_an_instance_run_in_order_also_when_other_threads_work()
    {
        const int count = 400;
        var threads = new ConcurrentDictionary<int, bool>();
        using var gates = new SemaphoreSlim(0);
        var overlapped = false;
        using var host = new TestHost(new ScriptedDevice(_ =>
        {
            var inside = 0;
            return new ScriptedInstance((in ping) =>
            {
                overlapped |= Interlocked.Increment(ref inside) != 1;
                threads[Environment.CurrentManagedThreadId] = true;
                if (ping.Metadata % 100 == 50)
                {
                    gates.Wait(); // the test lets go only after another thread came
                }

                Interlocked.Decrement(ref inside);
                return (uint)ping.Metadata;
            });
        }));
        var handle = host.Open();

        for (uint i = 0; i < count; i++)
        {
            host.Ping(handle, i, events: 1);
            if (i % 100 == 60)
            {
                var other = host.Open();
                host.Ping(other, 1, events: 1); // runs on another thread, and shows that there is one
                host.Events.WaitFor(other, 1);
                gates.Release();
            }
        }

        Assert.Equal(Enumerable.Range(0, count).Select(i => (uint)i), host.Events.WaitFor(handle, count));
        Assert.False(overlapped);
        Assert.True(threads.Count >= 2);
        host.WaitForPings();
    }

    [Fact]
    public void More_hung_instances_than_the_ring_has_entries_hold_nobody_up()
    {
        const int ring = 16;
        using var go = new ManualResetEventSlim();
        using var host = new TestHost(Hanging(go), ringSize: ring);
        var hung = Enumerable.Range(0, ring + 4).Select(_ => host.Open()).ToList();
        var well = host.Open();

        foreach (var handle in hung)
        {
            host.Ping(handle, Hang, events: 1); // waits for a free entry: fails if they never come back
        }

        host.Ping(well, 7, events: 1);
        Assert.Equal([7u], host.Events.WaitFor(well, 1));
        host.Pings.WaitForAll(); // no callback keeps a part of the ring
        Assert.All(hung, handle => Assert.Empty(host.Events.Of(handle)));

        go.Set();
        Assert.All(hung, handle => Assert.Equal([1u], host.Events.WaitFor(handle, 1)));
    }

    [Fact]
    public void A_hung_instance_that_is_flooded_gets_its_ring_entries_back_up_to_the_bound()
    {
        const int bound = 5, sent = 12;
        using var go = new ManualResetEventSlim();
        using var host = new TestHost(Hanging(go), new HostOptions { MaxPingsKept = bound }, ringSize: 32);
        var (hung, well) = (host.Open(), host.Open());

        for (uint i = 0; i < sent; i++)
        {
            host.Ping(hung, i == 0 ? Hang : i, events: 1);
        }

        host.Pings.WaitForFree(32 - sent + bound);
        for (var i = 0; i < 100; i++)
        {
            host.Ping(well, 7, events: 1);
        }

        Assert.Equal(100, host.Events.WaitFor(well, 100).Count);
        Assert.Equal(32 - sent + bound, host.Pings.Free);

        go.Set();
        Assert.Equal(Enumerable.Range(0, sent).Select(i => i == 0 ? 1u : (uint)i), host.Events.WaitFor(hung, sent));
        host.WaitForPings();
    }

    [Fact]
    public void Hung_instances_that_flood_leave_the_ring_to_the_others()
    {
        // Each may have 64 pings kept, all together 4096; the driver leaves a quarter of the ring to those who have nothing in it.
        const int ring = 1024, most = 4096, hungCount = (most / 64) + 8;
        using var go = new ManualResetEventSlim();
        using var host = new TestHost(Hanging(go), ringSize: ring);
        var well = host.Open();

        for (var i = 0; i < hungCount; i++)
        {
            var hung = host.Open();
            host.Ping(hung, Hang);
            for (var j = 0; j < 63 && host.Pings.Free > ring / 4; j++)
            {
                host.Ping(hung);
            }

            if ((i + 1) * 64 <= most)
            {
                host.Pings.WaitForAll(); // as long as the bound for all allows, each gets what it may have
            }
        }

        host.Ping(well, 7, events: 1);
        Assert.Equal([7u], host.Events.WaitFor(well, 1));
        Assert.InRange(host.Model.InUse.Pings, most, most + ring);

        go.Set();
        host.WaitForPings();
        host.Ping(well, 8, events: 1);
        Assert.Equal([7u, 8u], host.Events.WaitFor(well, 2));
    }

    [Fact]
    public void Every_ping_is_answered_once_and_every_entry_comes_back_once()
    {
        const int instances = 8, each = 1000;
        using var host = new TestHost(new ScriptedDevice((in ping) => (uint)ping.Metadata), ringSize: 64);
        var handles = Enumerable.Range(0, instances).Select(_ => host.Open()).ToList();

        for (uint i = 0; i < each; i++)
        {
            handles.ForEach(handle => host.Ping(handle, i, events: 1));
        }

        foreach (var handle in handles)
        {
            Assert.Equal(Enumerable.Range(0, each).Select(i => (uint)i), host.Events.WaitFor(handle, each));
        }

        host.WaitForPings();
        Assert.Equal(instances * each, host.Pings.Returned.Count);
        Assert.Equal(instances * each, host.Events.Seen.Count);
    }

    private const ulong Hang = ulong.MaxValue;

    /// <summary>Answers with the metadata; with 1, and only after the gate is open, where that is <see cref="Hang"/>.</summary>
    private static ScriptedDevice Hanging(ManualResetEventSlim go) => new((in ping) =>
    {
        if (ping.Metadata != Hang)
        {
            return (uint)ping.Metadata;
        }

        go.Wait();
        return 1;
    });
}
