// Many VMs and programs at once in one daemon.
using TestDevice.Dependency;
using Virtio.Linux;
using VirtioUser.Daemon.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon.Tests;

public sealed class ManyVmsTests(DaemonFixture daemon) : IClassFixture<DaemonFixture>
{
    [Fact]
    public void Two_vms_have_handles_objects_and_arenas_of_their_own_and_are_served_in_turn()
    {
        using var first = daemon.Boot();
        using var second = daemon.Boot();
        var (mine, theirs) = (first.Create(), second.Create());
        Assert.Equal(mine, theirs); // both begin with the same numbers
        var (shared, others) = (first.Allocate(mine, 4096), second.Allocate(theirs, 4096));
        Assert.Equal(shared, others);
        Assert.NotEqual(first.Vm.Window!.Arena!.Identity, second.Vm.Window!.Arena!.Identity);
        first.Bytes(shared).Fill(0xAA);
        Assert.Equal(-1, second.Bytes(others).IndexOfAnyExcept((byte)0));

        for (var i = 1u; i <= 100; i++)
        {
            Assert.Equal(i, first.Call(mine, TestOperation.Count));
            Assert.Equal(2 * i - 1, second.Call(theirs, TestOperation.Count));
            Assert.Equal(2 * i, second.Call(theirs, TestOperation.Count));
        }

        first.Do(ConfigOperation.ExportMemory, mine, shared.Id);
        Assert.Equal(ConfigError.ImportFailed, second.Ask(ConfigOperation.ImportMemory, second.Create(), shared.Id).Error);
        first.Do(ConfigOperation.DestroyInstance, mine);
        Assert.Equal(Revents.Refused, first.Call(mine, TestOperation.Count));
        Assert.Equal(201u, second.Call(theirs, TestOperation.Count));
    }

    [Fact]
    public void The_end_of_one_vm_ends_nothing_of_another()
    {
        using var survivor = daemon.Boot();
        var instance = survivor.Create();
        var shared = survivor.Allocate(instance, 1 << 20);
        survivor.Bytes(shared).Fill(0x5A);
        for (var i = 1u; i <= 10; i++)
        {
            using (var other = daemon.Boot())
            {
                other.Bytes(other.Allocate(other.Create(), 1 << 20)).Fill(0xAA);
                Assert.Equal(i, survivor.Call(instance, TestOperation.Count));
            }

            Assert.Equal(-1, survivor.Bytes(shared).IndexOfAnyExcept((byte)0x5A));
        }
    }

    [Fact]
    public void One_whose_callbacks_hang_and_whose_call_descriptors_block_stops_no_other()
    {
        const int Hanging = 64;
        using var other = daemon.Boot();
        var instance = other.Create();
        var gate = Gates.New();
        using (var hostile = daemon.Boot())
        {
            foreach (var hanging in Enumerable.Range(0, Hanging).Select(_ => hostile.Create()).ToList())
            {
                hostile.Send(hanging, TestOperation.Wait, gate);
            }

            Assert.Equal(1u, hostile.Call(hostile.Create(), TestOperation.Echo, 1)); // the last in the ring, so all were taken
            AssertGoesOn(other, instance);

            for (var index = 0; index < Limits.QueueCount; index++)
            {
                Calls.Block(hostile.Vm.Queue(index).Call);
                hostile.Vm.Queue(index).Driver.EnableCalls();
            }

            hostile.Send(1, TestOperation.Echo);
            Assert.True(hostile.Vm.ConfigReplies.TryPost());
            Assert.True(hostile.Vm.ConfigRequests.TrySend(new byte[ConfigMessage.Size]));
            Assert.True(SpinWait.SpinUntil(() => DaemonMemory.IsSignalling(daemon.Daemon.Id), Patience.Limit), "no thread of the daemon came to call");
            AssertGoesOn(other, instance);
            using var next = daemon.Boot();
            AssertGoesOn(next, next.Create());
        }

        Assert.Equal(1u, other.Call(instance, TestOperation.Release, gate));
        AssertGoesOn(other, instance);
    }

    [Fact]
    public async Task A_hundred_at_once_are_served_and_all_that_they_had_comes_back()
    {
        const int Count = 100;
        using var folder = new SocketFolder();
        await using var own = await DaemonProcess.ListenAsync(folder.SocketPath, "--max-connections", $"{Count}", "--device", BuildOutput.TestDevice);
        ServeAll(3); // the runtime opens some at the first use of this and that
        DaemonMemory.WaitForArenas(own.Id, 0);
        var (descriptors, threads) = (DaemonMemory.OpenDescriptors(own.Id), DaemonMemory.Threads(own.Id));

        ServeAll(Count);

        DaemonMemory.WaitForArenas(own.Id, 0);
        DaemonMemory.WaitForDescriptors(own.Id, descriptors);
        DaemonMemory.WaitForThreads(own.Id, threads + 8); // those of the runtime's pool go when it likes
        Assert.DoesNotContain(own.ErrorLines, line => line.Contains("turned away", StringComparison.Ordinal));
        await own.AssertStopsAsync();

        void ServeAll(int count)
        {
            var vms = new TestDriver?[count];
            try
            {
                Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = 16 }, i => vms[i] = TestDriver.Boot(folder.SocketPath));
                var instances = vms.Select(vm => vm!.Create()).ToList();
                for (var i = 0; i < count; i++)
                {
                    vms[i]!.Send(instances[i], TestOperation.Echo, (ulong)i); // all are under way at once
                }

                for (var i = 0; i < count; i++)
                {
                    Assert.Equal(new EventMessage(instances[i], (uint)i), vms[i]!.NextEvent());
                }
            }
            finally
            {
                foreach (var vm in vms)
                {
                    vm?.Dispose();
                }
            }
        }
    }

    [Fact]
    public async Task A_connection_costs_two_threads()
    {
        const int Count = 20;
        using var folder = new SocketFolder();
        await using var own = await DaemonProcess.ListenAsync(folder.SocketPath, "--device", BuildOutput.TestDevice);
        var vms = new List<TestDriver> { TestDriver.Boot(folder.SocketPath) };
        try
        {
            vms[0].Create();
            var threads = DaemonMemory.Threads(own.Id);
            for (var i = 0; i < Count; i++)
            {
                vms.Add(TestDriver.Boot(folder.SocketPath));
                vms[^1].Do(ConfigOperation.FreeMemory, vms[^1].Create() is var instance ? instance : 0, vms[^1].Allocate(instance, 4096).Id);
            }

            DaemonMemory.WaitForThreads(own.Id, threads + (2 * Count) + 8); // those of the runtime's pool go when it likes
        }
        finally
        {
            vms.ForEach(vm => vm.Dispose());
        }
    }

    [Fact]
    public async Task More_at_once_than_wait_anywhere_are_all_served_while_there_are_places()
    {
        const int Count = 100;
        using var folder = new SocketFolder();
        await using var own = await DaemonProcess.ListenAsync(folder.SocketPath, "--max-connections", $"{Count}", "--device", BuildOutput.TestDevice);
        for (var round = 0; round < 3; round++)
        {
            var sockets = Enumerable.Range(0, Count).Select(_ => UnixSocket.Connect(folder.SocketPath)).ToList();
            sockets.ForEach(socket => socket.Send([1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])); // GET_FEATURES
            using var none = new ReceivedDescriptors(0);
            foreach (var socket in sockets)
            {
                socket.ReceiveTimeout = Patience.Limit;
                Assert.Equal(20, socket.Receive(new byte[20], none));
                socket.Dispose();
            }

            DaemonMemory.WaitForArenas(own.Id, 0); // all places are free
        }

        await own.AssertStopsAsync();
    }

    private static void AssertGoesOn(TestDriver driver, ulong instance)
    {
        for (var i = 0u; i < 50; i++)
        {
            Assert.Equal(i, driver.Call(instance, TestOperation.Echo, i));
        }

        driver.Do(ConfigOperation.FreeMemory, instance, driver.Allocate(instance, 4096).Id);
        driver.Do(ConfigOperation.DestroyInstance, driver.Create());
    }
}
