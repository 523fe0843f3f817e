// Both sides on threads of their own: no wake-up is lost.
using System.Collections.Concurrent;
using Virtio.Linux;
using Virtio.Queues;
using Xunit;

namespace Virtio.Tests.Queues;

public class QueueThreadTests
{
    private const int Chains = 40_000;
    // Only to end a test that has failed: a lost wake-up waits for ever.
    private const int Lost = 30_000;

    [Theory]
    [InlineData(QueueFeatures.None, 2)]
    [InlineData(QueueFeatures.EventIndex, 1)]
    [InlineData(QueueFeatures.EventIndex, 64)]
    public void Two_threads_that_sleep_whenever_they_can_lose_no_wake_up(QueueFeatures features, int size)
    {
        using var queue = new QueueFixture((ushort)size, features);
        using EventFd kick = EventFd.Create(), call = EventFd.Create();
        Exception? failure = null;
        var thread = new Thread(() => failure = Record.Exception(() => Echo(queue.Device, kick, call)));
        thread.Start();
        var driverFailure = Record.Exception(() => Drive(queue, kick, call));
        thread.Join();
        Assert.Null(failure);
        Assert.Null(driverFailure);
    }

    private static void Drive(QueueFixture queue, EventFd kick, EventFd call)
    {
        var driver = queue.Driver;
        ulong added = 0, reclaimed = 0;
        while (reclaimed < Chains)
        {
            while (added < Chains && driver.TryAdd([new GuestBuffer(QueueFixture.Buffers, 8)], [], added))
            {
                added++;
            }

            if (driver.MustKick())
            {
                kick.Signal();
            }

            while (driver.TryReclaim(out var token, out _))
            {
                Assert.Equal(reclaimed++, token);
            }

            if (reclaimed < added && !driver.EnableCalls())
            {
                Assert.True(call.Wait(Lost), "A call was lost.");
                call.TryConsume();
            }
        }
    }

    private static void Echo(DeviceQueue device, EventFd kick, EventFd call)
    {
        for (var done = 0; done < Chains;)
        {
            device.DisableKicks();
            while (device.TryTake(out var chain))
            {
                device.Return(chain.Head, 0);
                done++;
            }
            if (device.MustCall())
            {
                call.Signal();
            }

            if (done < Chains && !device.EnableKicks())
            {
                Assert.True(kick.Wait(Lost), "A kick was lost.");
                kick.TryConsume();
            }
        }
    }

    [Fact]
    public void One_thread_can_take_while_another_returns()
    {
        using var queue = new QueueFixture(16, QueueFeatures.EventIndex);
        using var heads = new BlockingCollection<ushort>();
        var taker = new Thread(() =>
        {
            for (var taken = 0; taken < Chains;)
            {
                if (queue.Device.TryTake(out var chain))
                {
                    heads.Add(chain.Head);
                    taken++;
                }
                else
                {
                    queue.Device.EnableKicks();
                    Thread.Yield();
                }
            }
            heads.CompleteAdding();
        });
        var returner = new Thread(() =>
        {
            foreach (var head in heads.GetConsumingEnumerable())
            {
                queue.Device.Return(head, 0);
                queue.Device.MustCall();
            }
        });
        taker.Start();
        returner.Start();
        ulong added = 0, reclaimed = 0;
        while (reclaimed < Chains)
        {
            while (added < Chains && queue.Driver.TryAdd([new GuestBuffer(QueueFixture.Buffers, 8)], [], added))
            {
                added++;
            }

            while (queue.Driver.TryReclaim(out var token, out _))
            {
                Assert.Equal(reclaimed++, token);
            }

            Thread.Yield();
        }
        taker.Join();
        returner.Join();
        Assert.Equal(queue.Device.LastAvailable, queue.Device.UsedIndex);
    }
}
