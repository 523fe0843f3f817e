// What one connection had never reaches another.
using System.Buffers.Binary;
using TestDevice.Dependency;
using Virtio.Queues;
using VirtioUser.Daemon.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon.Tests;

public sealed class SessionTests(DaemonFixture daemon) : IClassFixture<DaemonFixture>
{
    private const int Size = 1 << 20;

    [Fact]
    public void The_next_vm_sees_no_byte_of_one_whose_callback_still_runs()
    {
        var gate = Gates.New();
        ulong offset;
        Virtio.Linux.FileIdentity former;
        using (var driver = daemon.Boot())
        {
            var (hung, other) = (driver.Create(), driver.Create());
            var shared = driver.Allocate(hung, Size);
            offset = shared.Offset;
            driver.Bytes(shared).Fill(0xAA);
            driver.Send(hung, TestOperation.Wait, gate, shared: shared);
            Assert.Equal(1u, driver.Call(other, TestOperation.Echo, 1)); // the callback runs
            former = driver.Vm.Window!.Arena!.Identity;
        }

        using var next = daemon.Boot();
        var instance = next.Create();
        Assert.NotEqual(former, next.Vm.Window!.Arena!.Identity);
        Assert.Equal(-1, next.Vm.Window.GetSpan(offset, Size).IndexOfAnyExcept((byte)0));

        Assert.Equal(1u, next.Call(instance, TestOperation.Release, gate));
        DaemonMemory.WaitForArenas(daemon.Daemon.Id, 1);
        Assert.Equal(2u, next.Call(instance, TestOperation.Count));
    }

    [Fact]
    public void The_next_vm_sees_no_byte_of_many_objects()
    {
        using (var driver = daemon.Boot())
        {
            for (var i = 0; i < 200; i++)
            {
                driver.Bytes(driver.Allocate(driver.Create(), 4096)).Fill(0xAA);
            }
        }

        using var next = daemon.Boot();
        next.Ask(ConfigOperation.EnumerateDevices);
        Assert.Equal(-1, next.Vm.Window!.GetSpan(0, Size).IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public async Task Pings_that_waited_in_a_former_connection_give_no_entry_to_the_next_one()
    {
        var gate = Gates.New();
        using (var driver = daemon.Boot())
        {
            var (hung, other) = (driver.Create(), driver.Create());
            for (var i = 0; i < 100; i++)
            {
                driver.Send(hung, TestOperation.Wait, gate, events: 0);
            }

            Assert.Equal(1u, driver.Call(other, TestOperation.Echo, 1)); // the last in the ring, so all were taken
        }

        using var next = daemon.Boot();
        Assert.Equal(1u, next.Call(next.Create(), TestOperation.Release, gate));
        await daemon.Metrics.WaitForAsync("virtio_user_instances", 1); // the former instance has ended
        next.WaitForPings();

        Assert.Equal(1, UsedIndex(next.Vm, Limits.PingQueue));
        Assert.Equal(1, UsedIndex(next.Vm, Limits.EventQueue));
    }

    [Fact]
    public void Handles_and_objects_begin_anew_with_each_connection()
    {
        ulong handle, id;
        using (var driver = daemon.Boot())
        {
            handle = driver.Create();
            id = driver.Allocate(handle, 4096).Id;
        }

        using var next = daemon.Boot();
        Assert.Equal(ConfigError.ImportFailed, next.Ask(ConfigOperation.ImportMemory, next.Create(), id).Error);
        Assert.Equal(handle, next.Create() - 1);
    }

    private static ushort UsedIndex(TestVm vm, int queue) =>
        BinaryPrimitives.ReadUInt16LittleEndian(vm.Ram.GetSpan(new GuestBuffer(vm.Queue(queue).Layout.UsedRing + 2, 2)));
}
