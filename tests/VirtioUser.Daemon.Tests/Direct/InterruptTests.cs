// Threads of a program that are interrupted in the middle of a call.
using TestDevice.Dependency;
using VirtioUser.Daemon.Tests.Support;
using VirtioUser.Guest;

namespace VirtioUser.Daemon.Tests.Direct;

public sealed class InterruptTests(DaemonFixture daemon) : IClassFixture<DaemonFixture>
{
    [Fact]
    public async Task Nothing_is_lost_among_threads_that_are_interrupted_all_the_time()
    {
        const int count = 8, rounds = 200;
        using var source = DeviceSource.Daemon(daemon.SocketPath);
        var devices = Enumerable.Range(0, 3).Select(_ => source.Open()).ToArray();
        var threads = new Thread?[count];
        var pinging = Program.OnThreads(count, number =>
        {
            Volatile.Write(ref threads[number], Thread.CurrentThread);
            var device = devices[number % devices.Length];
            for (var round = 0u; round < rounds; round++)
            {
                try
                {
                    var sign = ((uint)number << 16) | round;
                    Assert.Equal(sign, device.Call(TestOperation.Echo, sign));
                    device.Send(Program.Ping(TestOperation.Count));
                }
                catch (ThreadInterruptedException)
                {
                    // The answer to this one is dropped, and to no other one.
                }
            }

            Volatile.Write(ref threads[number], null);
            try
            {
                Thread.Sleep(0); // an interrupt that came too late
                lock (devices)
                {
                    Monitor.Wait(devices, 1);
                }
            }
            catch (ThreadInterruptedException)
            {
            }
        });
        var random = new Random(1);
        while (!pinging.IsCompleted)
        {
            Volatile.Read(ref threads[random.Next(count)])?.Interrupt();
            Thread.Yield();
        }

        await pinging;
        foreach (var device in devices)
        {
            Assert.Equal(5u, device.Call(TestOperation.Echo, 5));
            device.Dispose();
        }

        using var another = source.Open();
        Assert.Equal(6u, another.Call(TestOperation.Echo, 6));
    }
}
