// Programs without a VM that do much at once.
using TestDevice.Dependency;
using VirtioUser.Daemon.Tests.Support;
using VirtioUser.Guest;

namespace VirtioUser.Daemon.Tests.Direct;

public sealed class LoadTests(DaemonFixture daemon) : IClassFixture<DaemonFixture>
{
    /// <summary>How long waits poll, in microseconds: not at all, shorter than a round trip, longer than one.</summary>
    public static TheoryData<int> PollTimes => [0, 5, 2000];

    [Theory]
    [MemberData(nameof(PollTimes))]
    public async Task Many_threads_on_many_instances_each_get_their_own_answers(int microseconds)
    {
        using var source = DeviceSource.Daemon(daemon.SocketPath, TimeSpan.FromMicroseconds(microseconds));
        var devices = Enumerable.Range(0, 5).Select(_ => source.Open()).ToArray();

        // Three threads on each instance, and some threads that have one for themselves.
        await Program.OnThreads(16, number =>
        {
            using var own = number % 4 == 0 ? source.Open() : null;
            var device = own ?? devices[number % devices.Length];
            for (var i = 0u; i < 500; i++)
            {
                var sign = ((uint)number << 16) | i;
                Assert.Equal(sign, device.Call(TestOperation.Echo, sign));
            }
        });

        foreach (var device in devices)
        {
            device.Dispose();
        }
    }

    [Fact]
    public async Task Sleeping_threads_take_over_from_one_another_when_answers_come_late()
    {
        using var source = DeviceSource.Daemon(daemon.SocketPath);
        using var opener = source.Open();
        const int threads = 12, rounds = 20;
        var gates = Enumerable.Range(0, threads * rounds).Select(_ => Gates.New()).ToArray();

        // All wait, each for a gate of its own; the gates open in another order.
        var waiting = Program.OnThreads(threads, number =>
        {
            using var device = source.Open();
            for (var round = 0; round < rounds; round++)
            {
                Assert.Equal(1u, device.Call(TestOperation.Wait, gates[(round * threads) + number]));
            }
        });
        foreach (var round in gates.Chunk(threads))
        {
            new Random(3).Shuffle(round);
            foreach (var gate in round)
            {
                opener.Call(TestOperation.Release, gate);
            }
        }

        await waiting;
    }

    [Fact]
    public async Task Calls_end_when_they_are_cancelled_or_the_device_is_disposed_of_and_nobody_else_notices()
    {
        using var source = DeviceSource.Daemon(daemon.SocketPath);
        using var opener = source.Open();
        await Program.OnThreads(12, number =>
        {
            var random = new Random(number);
            for (var round = 0; round < 15; round++)
            {
                using var device = source.Open();
                switch (random.Next(4))
                {
                    case 0:
                        var gate = Gates.New();
                        using (var cancel = new CancellationTokenSource())
                        {
                            var waiting = Program.Blocking(() => device.Ping(Program.Ping(TestOperation.Wait, gate), cancel.Token));
                            cancel.CancelAfter(random.Next(3));
                            Assert.ThrowsAny<OperationCanceledException>(() => waiting.GetAwaiter().GetResult());
                        }

                        // The device is at it all the same, if the ping was sent.
                        Assert.Equal(1u, opener.Call(TestOperation.Release, gate));
                        break;
                    case 1:
                        var reading = Program.Blocking(() => device.ReadEvent());
                        Assert.Equal(1u, device.Call(TestOperation.Echo, 1));
                        device.Dispose();
                        Assert.Throws<ObjectDisposedException>(() => reading.GetAwaiter().GetResult());
                        break;
                    case 2:
                        var pings = Program.OnThreads(2, _ => PingUntilDisposed(device));
                        for (var i = 0; i < random.Next(100); i++)
                        {
                            Assert.Equal(2u, opener.Call(TestOperation.Echo, 2));
                        }

                        device.Dispose();
                        pings.GetAwaiter().GetResult();
                        break;
                    default:
                        for (var i = 0u; i < 100; i++)
                        {
                            Assert.Equal(i, device.Call(TestOperation.Echo, i));
                        }

                        break;
                }
            }
        });
    }

    [Fact]
    public async Task Pings_that_were_sent_before_Dispose_are_done_all_of_them()
    {
        using var source = DeviceSource.Daemon(daemon.SocketPath);
        await Program.OnThreads(4, _ =>
        {
            using var other = source.Open();
            var gates = Enumerable.Range(0, 1000).Select(_ => Gates.New()).ToArray();
            using (var device = source.Open())
            {
                device.Send([.. gates.Select(gate => Program.Ping(TestOperation.Release, gate))]);
            }

            // Each of them returns only if the ping that opens its gate was done.
            foreach (var gate in gates)
            {
                Assert.Equal(1u, other.Call(TestOperation.Wait, gate));
            }
        });
    }

    [Fact]
    public async Task An_instance_that_floods_while_its_device_hangs_holds_up_nobody_else()
    {
        using var source = DeviceSource.Daemon(daemon.SocketPath);
        using var hung = source.Open();
        using var other = source.Open();
        var gate = Gates.New();
        var answer = hung.PingAsync(Program.Ping(TestOperation.Wait, gate), TestContext.Current.CancellationToken);
        using var stop = new CancellationTokenSource();
        var sent = 0;
        var flood = Program.Blocking(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                hung.Send(Program.Ping(TestOperation.Echo));
                sent++;
            }
        });

        for (var i = 0u; i < 5000; i++)
        {
            Assert.Equal(i, other.Call(TestOperation.Echo, i));
        }

        Assert.False(answer.IsCompleted);
        stop.Cancel();
        other.Call(TestOperation.Release, gate);
        await flood;
        Assert.Equal(1u, await answer);
        Assert.Equal((uint)sent + 2, hung.Call(TestOperation.Count));
    }

    [Theory]
    [MemberData(nameof(PollTimes))]
    public void A_ping_that_is_waited_for_allocates_nothing(int microseconds)
    {
        using var source = DeviceSource.Daemon(daemon.SocketPath, TimeSpan.FromMicroseconds(microseconds));
        using var device = source.Open();
        using var memory = device.Allocate(4096);
        var request = new PingRequest(memory, TestDevices.Metadata(TestOperation.Length));
        for (var i = 0; i < 3000; i++)
        {
            device.Call(request);
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 3000; i++)
        {
            device.Call(request);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Theory]
    [MemberData(nameof(PollTimes))]
    public void Events_of_the_device_s_own_come_in_order_among_answers(int microseconds)
    {
        using var source = DeviceSource.Daemon(daemon.SocketPath, TimeSpan.FromMicroseconds(microseconds));
        using var device = source.Open();
        for (var round = 0; round < 50; round++)
        {
            // As many as are kept for an instance at the least.
            device.Call(TestOperation.RaiseEvents, 100);
            for (var i = 0u; i < 20; i++)
            {
                Assert.Equal(i, device.Call(TestOperation.Echo, i));
            }

            for (var i = 1u; i <= 100; i++)
            {
                Assert.Equal(i, device.ReadEvent(TestContext.Current.CancellationToken));
            }
        }
    }

    private static void PingUntilDisposed(VirtioUserDevice device)
    {
        try
        {
            for (var i = 0u; ; i++)
            {
                Assert.Equal(i & 0xFFFF, device.Call(TestOperation.Echo, i & 0xFFFF));
            }
        }
        catch (ObjectDisposedException)
        {
            // As it should be.
        }
    }
}
