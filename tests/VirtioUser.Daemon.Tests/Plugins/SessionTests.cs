// One library, and instances of more than one connection in it.
using NativeDevice;
using TestDevice.Dependency;
using VirtioUser.Daemon.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon.Tests.Plugins;

public sealed class SessionTests : IDisposable
{
    private const uint Device = TestDevices.ManyVersions;

    private readonly SocketFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>The guests call both instances the same; the library must not.</summary>
    [Fact]
    public async Task An_instance_of_a_former_vm_that_still_runs_is_not_taken_for_one_of_the_next()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, "--device", await NativeDevices.GetAsync("test_device"));
        var gate = Gates.New();
        ulong former;
        using (var driver = TestDriver.Boot(_folder.SocketPath))
        {
            former = driver.Create(Device, 2);
            for (var i = 1u; i <= 5; i++)
            {
                Assert.Equal(i, driver.Call(former, TestOperation.Count));
            }

            driver.Send(former, TestOperation.Wait, gate, shared: driver.Allocate(former, 4096));
            Assert.Equal(1u, driver.Call(driver.Create(Device, 2), TestOperation.Echo, 1)); // the callback runs
        }

        using var next = TestDriver.Boot(_folder.SocketPath);
        var instance = next.Create(Device, 3);
        Assert.Equal(former, instance);
        Assert.Equal((1u, 3u), (next.Call(instance, TestOperation.Count), next.Call(instance, TestOperation.Version)));
        var shared = next.Allocate(instance, 4096);
        Assert.Equal(-1, next.Bytes(shared).IndexOfAnyExcept((byte)0));

        Assert.Equal(1u, next.Call(next.Create(Device, 2), TestOperation.Release, gate));
        DaemonMemory.WaitForArenas(daemon.Id, 1); // the former instance has ended, and told the library so

        Assert.Equal((3u, 3u), (next.Call(instance, TestOperation.Count), next.Call(instance, TestOperation.Version)));
        next.Send(instance, TestOperation.RaiseEvents, 1);
        EventMessage[] events = [next.NextEvent(), next.NextEvent()];
        Assert.Equal([1u, 1u | Revents.Unsolicited], events.Select(each => each.Revents).Order());
        await daemon.AssertStopsAsync();
    }

    /// <summary>Both guests call their instance the same, and ping it in turn.</summary>
    [Fact]
    public async Task Two_vms_at_once_have_instances_of_their_own_in_one_library()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, "--device", await NativeDevices.GetAsync("test_device"));
        var gate = Gates.New();
        using var first = TestDriver.Boot(_folder.SocketPath);
        using (var second = TestDriver.Boot(_folder.SocketPath))
        {
            var (mine, theirs) = (first.Create(Device, 2), second.Create(Device, 3));
            Assert.Equal(mine, theirs);
            Assert.Equal((2u, 3u), (first.Call(mine, TestOperation.Version), second.Call(theirs, TestOperation.Version)));
            var (shared, others) = (first.Allocate(mine, 4096), second.Allocate(theirs, 4096));
            Assert.Equal(shared, others);
            first.Call(mine, TestOperation.Fill, 1, shared);
            second.Call(theirs, TestOperation.Fill, 2, others);
            for (var i = 3u; i < 100; i++)
            {
                Assert.Equal((i, i), (first.Call(mine, TestOperation.Count), second.Call(theirs, TestOperation.Count)));
            }

            Assert.Equal(Pattern.Checksum(first.Bytes(shared)), first.Call(mine, TestOperation.Checksum, shared: shared));
            Assert.Equal(Pattern.Checksum(second.Bytes(others)), second.Call(theirs, TestOperation.Checksum, shared: others));
            Assert.False(first.Bytes(shared).SequenceEqual(second.Bytes(others)));

            // Own events find the VM whose device sends them.
            second.Send(theirs, TestOperation.RaiseEvents, 1);
            EventMessage[] events = [second.NextEvent(), second.NextEvent()];
            Assert.Equal([1u, 1u | Revents.Unsolicited], events.Select(each => each.Revents).Order());
            second.Send(theirs, TestOperation.Wait, gate);
            Assert.Equal(101u, first.Call(mine, TestOperation.Count));
        }

        // The other VM is gone with a callback under way.
        var next = first.Create(Device, 4);
        Assert.Equal((1u, 4u), (first.Call(next, TestOperation.Release, gate), first.Call(next, TestOperation.Version)));
        DaemonMemory.WaitForArenas(daemon.Id, 1);
        Assert.Equal(102u, first.Call(1, TestOperation.Count));
        await daemon.AssertStopsAsync();
    }

    /// <summary>A thread of the library sends an event for the one, and is waited for by the other.</summary>
    [Fact]
    public async Task A_vm_that_blocks_its_call_descriptor_does_not_hold_the_library()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, "--device", await NativeDevices.GetAsync("holding_device"));
        using var hostile = TestDriver.Boot(_folder.SocketPath);
        using var other = TestDriver.Boot(_folder.SocketPath);
        var (sender, waiter) = (hostile.Create(TestDevices.Holding), other.Create(TestDevices.Holding));
        var shared = hostile.Allocate(sender, 4096);
        Assert.Equal(1u, hostile.Call(Ask(sender, HoldingDevice.Operation.Hold, shared)));
        Assert.Equal(1u, hostile.Call(Ask(sender, HoldingDevice.Operation.PokeLater)));
        Calls.Block(hostile.Vm.Events.Call);
        hostile.Vm.Events.Driver.EnableCalls();

        Assert.Equal(1u, other.Call(Ask(waiter, HoldingDevice.Operation.Write)));
        Assert.Equal(1u, other.Call(Ask(waiter, HoldingDevice.Operation.Join)));

        Assert.True(SpinWait.SpinUntil(() => DaemonMemory.IsSignalling(daemon.Id), Patience.Limit), "no thread of the daemon came to call");

        static PingMessage Ask(ulong instance, HoldingDevice.Operation operation, SharedObject? shared = null) => new()
        {
            InstanceHandle = instance,
            Metadata = HoldingDevice.Metadata(operation, slot: 1, value: 9),
            ShmId = shared?.Id ?? 0,
            ShmSize = shared?.Size ?? 0,
            Events = 1,
        };
    }

    /// <summary>What is mapped and held goes with its VM; the next one can do the same at the same place.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Each_vm_maps_and_holds_for_itself(bool holds)
    {
        await using var daemon = await DaemonProcess.ListenAsync(
            _folder.SocketPath, "--device", await NativeDevices.GetAsync("mapping_device"), "--device", await NativeDevices.GetAsync("holding_device"));
        for (var i = 0; i < 3; i++)
        {
            using var driver = TestDriver.Boot(_folder.SocketPath);
            var instance = driver.Create(holds ? TestDevices.Holding : TestDevices.Mapping);
            var shared = driver.Allocate(instance, 4096);
            driver.Bytes(shared).Fill(1);
            driver.Send(new PingMessage
            {
                InstanceHandle = instance,
                Metadata = holds
                    ? HoldingDevice.Metadata(HoldingDevice.Operation.Hold, slot: i)
                    : MappingDevice.Metadata(MappingDevice.Operation.Map, slot: i, (int)MappingDevice.Kind.Heap, offset: 1),
                ShmId = shared.Id,
                ShmSize = shared.Size,
                Events = 1,
            });

            Assert.Equal(new EventMessage(instance, 1), driver.NextEvent());
        }

        DaemonMemory.WaitForArenas(daemon.Id, 0);
        Assert.DoesNotContain(daemon.ErrorLines, line => line.Contains("can not", StringComparison.Ordinal));
    }
}
