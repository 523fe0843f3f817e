// The fast path allocates nothing.
using Virtio.Linux;
using Virtio.Queues;
using Xunit;

namespace Virtio.Tests;

public class AllocationTests
{
    [Theory]
    [InlineData(QueueFeatures.None)]
    [InlineData(QueueFeatures.EventIndex | QueueFeatures.IndirectDescriptors)]
    public void Taking_returning_signalling_and_waiting_allocate_nothing(QueueFeatures features)
    {
        using var file = MemFd.Create("allocation", 1 << 16);
        using var mapping = Mapping.Map(file, 0, 1 << 16);
        var memory = new ContiguousMemory(mapping.GetMemory(0, 1 << 16));
        var layout = QueueLayout.At(16, 0);
        var driver = new DriverQueue(memory, layout, features);
        var device = new DeviceQueue(memory, layout, features);
        using EventFd kick = EventFd.Create(), call = EventFd.Create();
        using var poll = new EventPoll();
        poll.Add(kick.Descriptor, 1);
        poll.Add(call.Descriptor, 2);

        for (var i = 0; i < 100; i++)
        {
            RoundTrip(driver, device, kick, call, poll);
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 10_000; i++)
        {
            RoundTrip(driver, device, kick, call, poll);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    private static void RoundTrip(DriverQueue driver, DeviceQueue device, EventFd kick, EventFd call, EventPoll poll)
    {
        Span<ReadyDescriptor> ready = stackalloc ReadyDescriptor[4];
        Span<byte> bytes = stackalloc byte[44];
        if (device.EnableKicks() || driver.EnableCalls())
        {
            throw new InvalidOperationException("The queue is not empty.");
        }

        driver.TryAdd([new GuestBuffer(0x8000, 44)], [new GuestBuffer(0x9000, 12)], 7);
        if (driver.MustKick())
        {
            kick.Signal();
        }

        poll.Wait(ready);
        kick.TryConsume();
        device.DisableKicks();
        if (!device.TryTake(out var chain))
        {
            throw new InvalidOperationException("The chain is missing.");
        }

        chain.CopyTo(bytes);
        chain.Write(bytes);
        device.PutBack();
        device.TryTake(out chain);
        device.Return(chain.Head, (uint)chain.Write(bytes));
        if (device.MustCall())
        {
            call.Signal();
        }

        poll.Wait(ready);
        call.TryConsume();
        if (!driver.TryReclaim(out var token, out var written) || token != 7 || written != 12)
        {
            throw new InvalidOperationException("The chain did not come back.");
        }
    }
}
