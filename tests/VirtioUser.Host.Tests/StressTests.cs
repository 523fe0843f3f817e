// Everything at once, from several threads, and then a look whether anything is left.
using System.Collections.Concurrent;
using System.Diagnostics;
using VirtioUser.Devices;
using VirtioUser.Host.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests;

public class StressTests
{
    private const int Steps = 4000;

    [Theory]
    [InlineData(1, 0)]
    [InlineData(2, 0)]
    [InlineData(3, 1000)]
    public async Task After_random_traffic_everything_is_accounted_for(int seed, int pollMicroseconds)
    {
        var contexts = new ConcurrentBag<InstanceContext>();
        var disposed = 0;
        using var host = new TestHost(
            new ScriptedDevice(context =>
            {
                contexts.Add(context);
                return new ScriptedInstance(
                    (in ping) => (ping.Metadata % 500) switch
                    {
                        0 => throw new FormatException(),
                        1 => context.TrySendEvent(1) ? 1u : 0u,
                        2 => Spin(),
                        _ => ping.Length == 0 ? 0 : (uint)ping.Slice(ping.Length - 1, 1)[0]++,
                    },
                    () => Interlocked.Increment(ref disposed));
            }),
            new HostOptions { MaxInstances = 50, MaxAnswersWaiting = 8, MaxOwnEventsWaiting = 8, MaxPingsKept = 4, MaxPollTime = TimeSpan.FromMicroseconds(pollMicroseconds) },
            ringSize: 64,
            eventBuffers: 100);
        var handles = new ConcurrentDictionary<ulong, ConcurrentBag<ulong>>();
        using var stop = new CancellationTokenSource();
        using var stopEvents = new CancellationTokenSource(); // later: pings wait for them
        var helpers = new[]
        {
            new Thread(() => Ping(new Random(seed))),
            new Thread(() => Ping(new Random(seed + 1000))),
            new Thread(() =>
            {
                while (!stopEvents.IsCancellationRequested)
                {
                    host.Events.AddBuffers(5);
                    foreach (var context in contexts)
                    {
                        context.TrySendEvent(2);
                    }
                }
            }),
        };
        foreach (var helper in helpers)
        {
            helper.Start();
        }

        var random = new Random(seed + 2000);
        var began = Stopwatch.GetTimestamp();
        for (var step = 0; step < Steps || !AllHasHappened(); step++)
        {
            ConfigStep(random, step);
            Assert.True(Stopwatch.GetElapsedTime(began) < Patience.Limit, "Not everything happened.");
        }

        stop.Cancel();
        Array.ForEach(helpers[..2], helper => helper.Join());
        stopEvents.Cancel();
        helpers[2].Join();
        host.Events.AddBuffers(int.MaxValue / 2);
        host.WaitForPings();
        await Patience.Await(host.ReplaceDriver());

        host.WaitForUse(0, 0, 0, 0);
        Assert.Equal(host[Counter.InstancesCreated], host[Counter.InstancesEnded]);
        Assert.Equal(host[Counter.InstancesCreated], disposed);
        Assert.Equal(host[Counter.ObjectsAllocated], host[Counter.ObjectsFreed]);
        Assert.Equal(host[Counter.BytesAllocated], host[Counter.BytesFreed]);
        var last = host.Open();
        host.Allocate(last, host.Arena.Length);
        host.Ping(last, 3, events: 1);
        Assert.Equal([0u], host.Events.WaitFor(last, 1));

        bool AllHasHappened() => host[Counter.InstancesFailed] > 0 && host[Counter.PingsRejected] > 0 && host[Counter.Events] > 0;

        uint Spin()
        {
            Thread.SpinWait(100_000);
            return 0;
        }

        void Ping(Random random)
        {
            while (!stop.IsCancellationRequested)
            {
                var known = handles.Keys.ToArray();
                var handle = known.Length == 0 || random.Next(20) == 0 ? (ulong)random.NextInt64() : known[random.Next(known.Length)];
                var shmId = handles.TryGetValue(handle, out var ids) && ids.TryPeek(out var id) && random.Next(10) != 0 ? id : (ulong)random.Next(3);
                host.Ping(handle, (ulong)random.Next(), (uint)random.Next(2), shmId, (ulong)random.Next(4096), (ulong)random.Next(4096));
                if (random.Next(50) == 0)
                {
                    host.Pings.Put(null);
                }
            }
        }

        void ConfigStep(Random random, int step)
        {
            var known = handles.Keys.ToArray();
            var handle = known.Length == 0 ? 0 : known[random.Next(known.Length)];
            var shmId = (ulong)random.Next((int)host[Counter.ObjectsAllocated] + 2);
            switch (random.Next(8))
            {
                case 0 when host.TryOpen(ScriptedDevice.Default) is { Error: ConfigError.None } opened:
                    handles[opened.InstanceHandle] = [];
                    break;
                case 1 when step % 4 == 0:
                    handles.TryRemove(handle, out _);
                    host.Config(ConfigOperation.DestroyInstance, handle);
                    break;
                case 2 or 3 when host.Config(ConfigOperation.AllocateMemory, handle, size: (ulong)random.Next(100_000)) is { Error: ConfigError.None } made:
                    handles[handle].Add(made.ShmId);
                    break;
                case 4:
                    host.Config(ConfigOperation.FreeMemory, handle, shmId);
                    break;
                case 5:
                    host.Config(ConfigOperation.ExportMemory, handle, shmId);
                    break;
                case 6:
                    host.Config(ConfigOperation.ImportMemory, handle, shmId);
                    break;
                default:
                    host.Config(ConfigOperation.EnumerateDevices);
                    break;
            }
        }
    }
}
