// Stops, restarts, resets and lost connections, in the middle of everything.
using TestDevice.Dependency;
using Virtio.Linux;
using Virtio.VhostUser;
using VirtioUser.Daemon.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon.Tests;

public sealed class LifecycleTests(DaemonFixture daemon) : IClassFixture<DaemonFixture>
{
    [Fact]
    public void A_vm_that_stands_still_and_goes_on_loses_no_ping()
    {
        using var driver = daemon.Boot();
        var gate = Gates.New();
        var (slow, other) = (driver.Create(), driver.Create());
        var shared = driver.Allocate(other, 4096);
        driver.Send(slow, TestOperation.Wait, gate);
        for (var i = 0; i < 40; i++)
        {
            driver.Send(slow, TestOperation.Count);
            driver.Send(other, TestOperation.Count, events: 0);
        }

        var bases = driver.Vm.Stop();
        driver.Vm.Continue(bases);
        driver.Send(other, TestOperation.Release, gate, events: 0);

        Assert.Equal(new EventMessage(slow, 1), driver.NextEvent());
        for (var i = 0u; i < 40; i++)
        {
            Assert.Equal(new EventMessage(slow, i + 2), driver.NextEvent());
        }

        driver.WaitForPings();
        Assert.Equal(42u, driver.Call(other, TestOperation.Count));
        Assert.Equal(4096u, driver.Call(other, TestOperation.Length, shared: shared));
    }

    [Fact]
    public void Many_stops_under_load_keep_every_ping_and_their_order()
    {
        using var driver = daemon.Boot();
        var instance = driver.Create();
        var answered = 0u;
        for (var round = 0; round < 20; round++)
        {
            for (var i = 0; i < 50; i++)
            {
                driver.Send(instance, TestOperation.Count);
            }

            driver.Vm.Continue(driver.Vm.Stop());
            for (var i = 0; i < 50; i++)
            {
                Assert.Equal(new EventMessage(instance, ++answered), driver.NextEvent());
            }
        }

        driver.WaitForPings();
    }

    [Fact]
    public void A_queue_that_rests_alone_gives_back_the_pings_it_had()
    {
        using var driver = daemon.Boot();
        var gate = Gates.New();
        var (slow, other) = (driver.Create(), driver.Create());
        for (var i = 0; i < 100; i++)
        {
            driver.Send(slow, TestOperation.Wait, gate, events: 0);
        }

        driver.Call(other, TestOperation.Echo); // the last in the ring, so all were taken
        driver.Vm.FrontEnd.SetVringEnable(Limits.PingQueue, false);
        driver.Vm.FrontEnd.SetVringEnable(Limits.PingQueue, true);
        driver.Send(other, TestOperation.Release, gate);

        Assert.Equal(new EventMessage(other, 1), driver.NextEvent());
        driver.WaitForPings();
    }

    [Fact]
    public void A_new_kick_descriptor_in_the_middle_of_pings_loses_none()
    {
        using var driver = daemon.Boot();
        var gate = Gates.New();
        var (slow, other) = (driver.Create(), driver.Create());
        for (var i = 0; i < 100; i++)
        {
            driver.Send(slow, TestOperation.Wait, gate, events: 0);
        }

        driver.Call(other, TestOperation.Echo); // the last in the ring, so all were taken
        driver.Vm.FrontEnd.SetVringKick(Limits.PingQueue, driver.Vm.Pings.Kick);
        driver.Send(other, TestOperation.Release, gate);

        Assert.Equal(new EventMessage(other, 1), driver.NextEvent());
        driver.WaitForPings();
    }

    [Fact]
    public void Memory_that_is_taken_away_and_comes_back_interrupts_nothing()
    {
        using var driver = daemon.Boot();
        using var more = MemFd.Create("more", 1 << 20);
        var extra = new FrontEndMemory(more, 0, 1UL << 32, 0x7100_0000_0000, 1 << 20);
        var instance = driver.Create();
        for (var i = 1u; i <= 50; i++)
        {
            driver.Send(instance, TestOperation.Count);
            driver.Vm.FrontEnd.SetMemoryTable([driver.Vm.Ram.Region, driver.Vm.Window!.Region!.Value, extra]);
            driver.Vm.TellMemory();
            Assert.Equal(new EventMessage(instance, i), driver.NextEvent());
        }
    }

    [Fact]
    public async Task A_new_driver_finds_nothing_of_the_one_before()
    {
        using var driver = daemon.Boot();
        var gate = Gates.New();
        var old = driver.Create();
        var idle = driver.Create();
        var shared = driver.Allocate(old, 1 << 20);
        driver.Send(old, TestOperation.Wait, gate, shared: shared);
        driver.Call(idle, TestOperation.Echo);

        driver.Vm.Stop();
        driver.Start();

        Assert.Equal(Revents.Refused, driver.Call(old, TestOperation.Echo, 1));
        Assert.Equal(Revents.Refused, driver.Call(idle, TestOperation.Echo, 1));
        var fresh = driver.Create();
        Assert.Equal(Revents.Refused, driver.Call(fresh, TestOperation.Length, shared: shared));
        Assert.Equal(1u, driver.Call(fresh, TestOperation.Release, gate));
        await daemon.Metrics.WaitForAsync("virtio_user_instances", 1);
        await daemon.Metrics.WaitForAsync("virtio_user_memory_bytes", 0);
        Assert.Equal(2u, driver.Call(fresh, TestOperation.Count));
    }

    [Fact]
    public async Task A_connection_that_ends_in_the_middle_of_callbacks_leaves_nothing_behind()
    {
        var gate = Gates.New();
        using (var driver = daemon.Boot())
        {
            for (var i = 0; i < 10; i++)
            {
                var instance = driver.Create();
                var shared = driver.Allocate(instance, 65536);
                driver.Send(instance, TestOperation.Wait, gate, shared: shared);
                driver.Send(instance, TestOperation.Checksum, shared: shared);
                driver.Send(instance, TestOperation.RaiseEvents, 100);
            }
        }

        using var next = daemon.Boot();
        Assert.Equal(1u, next.Call(next.Create(), TestOperation.Release, gate));
        await daemon.Metrics.WaitForAsync("virtio_user_instances", 1);
        await daemon.Metrics.WaitForAsync("virtio_user_objects", 0);
        await daemon.Metrics.WaitForAsync("virtio_user_memory_bytes", 0);
    }

    [Fact]
    public void A_new_driver_can_have_all_the_memory_of_the_one_before()
    {
        using var driver = daemon.Boot();
        for (var i = 0; i < 10; i++)
        {
            driver.Allocate(driver.Create(), driver.Vm.ArenaLength);
            driver.Vm.Stop();
            driver.Start();
        }
    }

    [Fact]
    public async Task A_connection_that_ends_while_an_instance_is_made_leaves_none()
    {
        using (var driver = daemon.Boot())
        {
            for (var i = 0; i < 20; i++)
            {
                var request = new ConfigMessage { Operation = ConfigOperation.CreateInstance };
                request.FirstDevice = new DeviceIdentity(TestDevices.Vendor, TestDevices.Test, 1);
                var bytes = new byte[ConfigMessage.Size];
                request.Write(bytes);
                driver.Vm.ConfigReplies.TryPost();
                driver.Vm.ConfigRequests.TrySend(bytes);
            }
        }

        await daemon.Metrics.WaitForAsync("virtio_user_instances", 0);
    }
}
