// Front-ends and guests that send anything at all.
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using FsCheck.Xunit;
using TestDevice.Dependency;
using Virtio.Linux;
using VirtioUser.Daemon.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon.Tests;

public sealed class GarbageTests(DaemonFixture daemon) : IClassFixture<DaemonFixture>
{
    [Property(MaxTest = 40)]
    public void Any_bytes_end_at_most_their_own_connection(byte[] bytes)
    {
        using (var socket = UnixSocket.Connect(daemon.SocketPath))
        {
            TrySend(socket, [.. bytes, 0]);
        }

        AssertServes();
    }

    [Property(MaxTest = 40)]
    public void Any_messages_end_at_most_their_own_connection(int seed)
    {
        var random = new Random(seed);
        using var file = MemFd.Create("garbage", 1 << 20);
        using var eventFd = EventFd.Create();
        using (var socket = UnixSocket.Connect(daemon.SocketPath))
        {
            // A back-end that answers into a full socket would wait: what it says is not read here, so say little.
            for (var i = 0; i < 60; i++)
            {
                if (!TrySend(socket, RandomMessage(random), RandomDescriptors(random, file, eventFd)))
                {
                    break;
                }
            }
        }

        AssertServes();
    }

    [Theory]
    [InlineData(Limits.ConfigTxQueue)]
    [InlineData(Limits.ConfigRxQueue)]
    [InlineData(Limits.PingQueue)]
    [InlineData(Limits.EventQueue)]
    public void A_front_end_whose_call_descriptor_blocks_stops_only_itself(int index)
    {
        using (var driver = daemon.Boot())
        {
            var instance = driver.Create();
            Calls.Block(driver.Vm.Queue(index).Call);
            driver.Vm.Queue(index).Driver.EnableCalls();

            // Between them these use every queue, so one of them makes the daemon call; that call does not return.
            driver.Send(instance, TestOperation.Echo);
            var request = new ConfigMessage { Operation = ConfigOperation.EnumerateDevices };
            Assert.True(driver.Vm.ConfigReplies.TryPost());
            Assert.True(driver.Vm.ConfigRequests.TrySend(MemoryMarshal.AsBytes(new ReadOnlySpan<ConfigMessage>(in request))));
            Assert.True(
                SpinWait.SpinUntil(() => DaemonMemory.IsSignalling(daemon.Daemon.Id), Patience.Limit), "no thread of the daemon came to call");
        }

        AssertServes();
    }

    [Theory]
    [InlineData(Limits.PingQueue)]
    [InlineData(Limits.EventQueue)]
    public async Task A_queue_that_starts_again_with_a_call_descriptor_that_blocks_stops_only_itself(int index)
    {
        using (var driver = daemon.Boot())
        {
            var gate = Gates.New();
            var (instance, other, keeper) = (driver.Create(), driver.Create(), driver.Create());
            driver.Call(keeper, TestOperation.ReleaseAtEnd, gate);
            driver.Send(instance, TestOperation.Wait, gate, events: 0);
            driver.WaitForPings(); // the host keeps the one that waits itself
            for (var i = 0; i < 100; i++)
            {
                driver.Send(instance, TestOperation.Echo, events: 0); // more than it keeps itself: some keep their entries
            }

            driver.Send(instance, TestOperation.Echo, 7);
            driver.Call(other, TestOperation.Count); // all of them were taken
            driver.Vm.FrontEnd.SetVringEnable(index, false);

            // Now the answer, or the entries, wait for the queue.
            driver.Do(ConfigOperation.DestroyInstance, keeper);
            if (index == Limits.PingQueue)
            {
                Assert.Equal(7u, driver.NextEvent().Revents);
            }
            else
            {
                driver.WaitForPings();
            }

            Calls.Block(driver.Vm.Queue(index).Call);
            await AssertAnswersAsync(driver.Vm, () => driver.Vm.FrontEnd.SetVringEnable(index, true));
        }

        AssertServes();
    }

    [Fact]
    public async Task A_queue_that_goes_on_in_other_memory_with_a_call_descriptor_that_blocks_stops_only_itself()
    {
        using (var driver = daemon.Boot(new VmOptions { PostsEvents = false }))
        {
            driver.Send(driver.Create(), TestOperation.Echo, 7);
            driver.WaitForPings(); // the answer wants a buffer
            Calls.Block(driver.Vm.Events.Call);
            driver.Vm.Events.PostSilently();

            // Without the arena, so that all queues rest meanwhile.
            await AssertAnswersAsync(driver.Vm, () => driver.Vm.FrontEnd.SetMemoryTable([driver.Vm.Ram.Region]));
        }

        AssertServes();
    }

    [Theory]
    [InlineData(Limits.PingQueue)]
    [InlineData(Limits.EventQueue)]
    public void A_ring_of_endless_chains_is_not_read_to_its_end_before_it_can_be_stopped(int index)
    {
        using (var driver = daemon.Boot(new VmOptions { QueueSize = 32768, PostsEvents = false }))
        {
            var instance = driver.Create();
            if (index == Limits.EventQueue)
            {
                driver.Send(instance, TestOperation.Echo);
                driver.WaitForPings(); // the answer wants a buffer
            }

            MakeEndless(driver.Vm, index, 32768);
            driver.Vm.Queue(index).Kick.Signal();
            Assert.True(
                SpinWait.SpinUntil(() => UsedIndex(driver.Vm, index) != 0, Patience.Limit), "the device does not read the ring");

            driver.Vm.FrontEnd.SetVringEnable(index, false); // 2^30 descriptors later, if they were all read first

            Assert.InRange(driver.Vm.FrontEnd.GetVringBase(index), 1, 32767);
        }

        AssertServes();
    }

    [Fact]
    public void A_good_buffer_behind_more_bad_ones_than_are_read_in_one_attempt_is_found()
    {
        using var driver = daemon.Boot(new VmOptions { QueueSize = 64, PostsEvents = false });
        driver.Send(driver.Create(), TestOperation.Echo, 7);
        driver.WaitForPings(); // the answer wants a buffer

        MakeEndless(driver.Vm, Limits.EventQueue, 63);
        MakeGood(driver.Vm, Limits.EventQueue, 63);
        driver.Vm.Events.Kick.Signal(); // once

        Assert.True(
            SpinWait.SpinUntil(() => UsedIndex(driver.Vm, Limits.EventQueue) == 64, Patience.Limit), "the good buffer does not come back");
    }

    [Property(MaxTest = 25)]
    public void Any_bytes_in_the_rings_harm_only_their_own_driver(int seed)
    {
        var random = new Random(seed);
        using (var driver = daemon.Boot())
        {
            var instance = driver.Create();
            driver.Allocate(instance, 4096);
            for (var round = 0; round < 5; round++)
            {
                Scramble(random, driver.Vm);
                foreach (var queue in new[] { driver.Vm.ConfigRequests, driver.Vm.ConfigReplies, driver.Vm.Pings, driver.Vm.Events })
                {
                    queue.Kick.Signal();
                }

                // An answer on the socket shows that its thread still lives.
                driver.Vm.FrontEnd.GetFeatures();
            }

            driver.Vm.Stop();
        }

        AssertServes();
    }

    [Fact]
    public void A_broken_ring_is_reported_and_works_again_for_the_next_driver()
    {
        using var driver = daemon.Boot();
        driver.Create();
        using var error = EventFd.Create();
        driver.Vm.FrontEnd.SetVringError(Limits.PingQueue, error);
        driver.Vm.Ram.Everything.Fill(0xFF);
        driver.Vm.Pings.Kick.Signal();
        Assert.True(error.Wait((int)Patience.Limit.TotalMilliseconds));

        driver.Vm.Stop();
        driver.Start();

        Assert.Equal(1u, driver.Call(driver.Create(), TestOperation.Count));
    }

    /// <summary>The connection's thread goes on with the next message.</summary>
    private static Task AssertAnswersAsync(TestVm vm, Action message) => Task.Run(() =>
    {
        message();
        vm.FrontEnd.GetFeatures();
    }).WaitAsync(Patience.Limit);

    /// <summary>Makes chains available that all go round in the descriptors before the last one.</summary>
    private static void MakeEndless(TestVm vm, int index, int chains)
    {
        var layout = vm.Queue(index).Layout;
        var loop = layout.Size - 1;
        for (var i = 0; i < loop; i++)
        {
            WriteDescriptor(vm, layout, i, 0, (ushort)(index == Limits.PingQueue ? 1 : 3), (ushort)((i + 1) % loop));
        }

        for (var i = 0; i < chains; i++)
        {
            Write(vm, layout.AvailableRing + 4 + (2 * (uint)i), 0);
        }

        Write(vm, layout.AvailableRing + 2, (ushort)chains);
    }

    /// <summary>Makes one more chain available, a buffer to write to, in the last descriptor.</summary>
    private static void MakeGood(TestVm vm, int index, int before)
    {
        var layout = vm.Queue(index).Layout;
        WriteDescriptor(vm, layout, layout.Size - 1, EventMessage.Size, 2, 0);
        Write(vm, layout.AvailableRing + 4 + (2 * (uint)before), (ushort)(layout.Size - 1));
        Write(vm, layout.AvailableRing + 2, (ushort)(before + 1));
    }

    private static void WriteDescriptor(TestVm vm, Virtio.Queues.QueueLayout layout, int descriptor, uint length, ushort flags, ushort next)
    {
        var entry = vm.Ram.GetSpan(new(layout.DescriptorTable + (16 * (uint)descriptor), 16));
        BinaryPrimitives.WriteUInt64LittleEndian(entry, GuestRam.FirstAddress + (15 << 20));
        BinaryPrimitives.WriteUInt32LittleEndian(entry[8..], length);
        BinaryPrimitives.WriteUInt16LittleEndian(entry[12..], flags);
        BinaryPrimitives.WriteUInt16LittleEndian(entry[14..], next);
    }

    private static void Write(TestVm vm, ulong address, ushort value) =>
        BinaryPrimitives.WriteUInt16LittleEndian(vm.Ram.GetSpan(new(address, 2)), value);

    private static ushort UsedIndex(TestVm vm, int index) =>
        BinaryPrimitives.ReadUInt16LittleEndian(vm.Ram.GetSpan(new(vm.Queue(index).Layout.UsedRing + 2, 2)));

    private void AssertServes()
    {
        using var driver = daemon.Boot();
        Assert.Equal(4u, driver.Call(driver.Create(), TestOperation.Echo, 4));
    }

    private static bool TrySend(UnixSocket socket, byte[] bytes, params FileDescriptor[] descriptors)
    {
        try
        {
            socket.Send(bytes, descriptors);
            return true;
        }
        catch (LinuxException)
        {
            return false; // the daemon has ended the connection
        }
    }

    /// <summary>A header that is mostly good, with a payload that is mostly of a good length and mostly wrong.</summary>
    private static byte[] RandomMessage(Random random)
    {
        var length = random.Next(6) switch { 0 => 0, 1 => 8, 2 => 8, 3 => 40, 4 => 8 + (32 * random.Next(9)), _ => random.Next(200) };
        var message = new byte[12 + length];
        BinaryPrimitives.WriteUInt32LittleEndian(message, (uint)random.Next(46));
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(4), random.Next(40) == 0 ? (uint)random.Next() : 1u | (random.Next(4) == 0 ? 0u : 8u));
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(8), random.Next(60) == 0 ? (uint)random.Next() : (uint)length);
        for (var i = 12; i < message.Length; i++)
        {
            // Small numbers reach further than large ones.
            message[i] = (byte)(i % 4 == 0 ? random.Next(6) : random.Next(12) == 0 ? random.Next(256) : 0);
        }

        return message;
    }

    private static FileDescriptor[] RandomDescriptors(Random random, FileDescriptor file, EventFd eventFd) =>
        [.. Enumerable.Range(0, random.Next(3) == 0 ? random.Next(10) : 1 - random.Next(2)).Select(_ => random.Next(2) == 0 ? file : eventFd.Descriptor)];

    private static void Scramble(Random random, TestVm vm)
    {
        var memory = vm.Ram.Everything[..(1 << 18)];
        for (var i = 0; i < 2000; i++)
        {
            memory[random.Next(memory.Length)] = (byte)random.Next(256);
        }

        // Rings begin at the front of the memory: more of it goes there.
        for (var i = 0; i < 500; i++)
        {
            memory[random.Next(1 << 14)] = (byte)random.Next(256);
        }
    }
}
