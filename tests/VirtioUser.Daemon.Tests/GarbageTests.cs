// Front-ends and guests that send anything at all.
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using FsCheck.Xunit;
using Microsoft.Win32.SafeHandles;
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
            Block(driver.Vm.Queue(index).Call);
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

    private void AssertServes()
    {
        using var driver = daemon.Boot();
        Assert.Equal(4u, driver.Call(driver.Create(), TestOperation.Echo, 4));
    }

    /// <summary>Makes the next signal wait: the file behind the descriptor is the daemon's too.</summary>
    private static void Block(EventFd call)
    {
        call.Descriptor.SetNonBlocking(false);
        call.TryConsume();
        using var file = new FileStream(new SafeFileHandle(call.Descriptor.DangerousGetHandle(), ownsHandle: false), FileAccess.Write, bufferSize: 0);
        file.Write(BitConverter.GetBytes(ulong.MaxValue - 1));
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
