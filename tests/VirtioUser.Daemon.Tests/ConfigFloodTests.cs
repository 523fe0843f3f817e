// Drivers and front-ends that give the config queues as much work as they can.
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using TestDevice.Dependency;
using Virtio.Queues;
using VirtioUser.Daemon.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon.Tests;

public sealed class ConfigFloodTests(DaemonFixture daemon) : IClassFixture<DaemonFixture>
{
    private const ushort Size = 32768;
    private const ushort Next = 1, Write = 2;

    private static readonly VmOptions Large = new() { QueueSize = Size, PostsEvents = false };

    /// <summary>32768 chains of 32768 descriptors each, for one reply: 2^30 descriptors.</summary>
    [Theory]
    [InlineData(true)] // each chain is a loop
    [InlineData(false)] // each chain is as long as it may be, with no room in it
    public async Task A_ring_that_takes_long_to_go_through_is_let_go_of_in_the_middle(bool loops)
    {
        using (var driver = daemon.Boot(Large))
        {
            var before = (await daemon.Metrics.ReadAsync())["virtio_user_messages_rejected_total"];
            var layout = driver.Vm.ConfigReplies.Layout;
            var table = Bytes(driver.Vm, layout.DescriptorTable, Size * 16);
            for (var i = 0; i < Size; i++)
            {
                var last = !loops && i == Size - 1;
                BinaryPrimitives.WriteUInt64LittleEndian(table[(i * 16)..], GuestRam.FirstAddress);
                BinaryPrimitives.WriteUInt32LittleEndian(table[((i * 16) + 8)..], 0);
                BinaryPrimitives.WriteUInt16LittleEndian(table[((i * 16) + 12)..], (ushort)(last ? Write : Write | Next));
                BinaryPrimitives.WriteUInt16LittleEndian(table[((i * 16) + 14)..], (ushort)((i + 1) % Size));
            }

            var available = Bytes(driver.Vm, layout.AvailableRing, 4 + (2 * Size));
            available[4..].Clear(); // all begin at descriptor 0
            BinaryPrimitives.WriteUInt16LittleEndian(available[2..], Size);
            Assert.True(driver.Vm.ConfigRequests.TrySend(new byte[ConfigMessage.Size]));
            while ((await daemon.Metrics.ReadAsync())["virtio_user_messages_rejected_total"] == before)
            {
            }

            driver.Vm.FrontEnd.GetVringBase(Limits.ConfigRxQueue);

            Assert.InRange(BinaryPrimitives.ReadUInt16LittleEndian(Bytes(driver.Vm, layout.UsedRing + 2, 2)), 1, Size - 1);
        }

        AssertServes();
    }

    /// <summary>Such an eventfd gives one at a time to a reader, and is readable for as long as anybody lives.</summary>
    [Theory]
    [InlineData(Limits.ConfigTxQueue)]
    [InlineData(Limits.ConfigRxQueue)]
    [InlineData(Limits.PingQueue)]
    [InlineData(Limits.EventQueue)]
    public void A_kick_that_is_always_readable_keeps_no_thread_busy(int index)
    {
        using (var driver = daemon.Boot())
        {
            var instance = driver.Create();
            using var kick = NativeMethods.MakeSemaphore();
            using (var file = new FileStream(new SafeFileHandle(kick.Descriptor.DangerousGetHandle(), ownsHandle: false), FileAccess.Write, bufferSize: 0))
            {
                file.Write(BitConverter.GetBytes(ulong.MaxValue - 1));
            }

            driver.Vm.FrontEnd.SetVringKick(index, kick);
            driver.Vm.FrontEnd.GetFeatures();

            DaemonMemory.WaitForSleep(daemon.Daemon.Id, "worker");
            Assert.NotEqual(0u, instance);
        }

        AssertServes();
    }

    [Fact]
    public void Queues_that_share_one_kick_lose_none()
    {
        using var driver = daemon.Boot();
        var shared = driver.Vm.Pings.Kick;
        foreach (var index in new[] { Limits.ConfigTxQueue, Limits.ConfigRxQueue, Limits.EventQueue })
        {
            driver.Vm.FrontEnd.SetVringKick(index, shared);
        }

        var request = new ConfigMessage { Operation = ConfigOperation.EnumerateDevices };
        for (var i = 0u; i < 300; i++)
        {
            Assert.True(driver.Vm.ConfigReplies.TryPost());
            Assert.True(driver.Vm.ConfigRequests.TrySend(MemoryMarshal.AsBytes(new ReadOnlySpan<ConfigMessage>(in request))));
            driver.Send(0, TestOperation.Echo, events: 1);
            shared.Signal(); // for all of them
            Assert.Equal(new EventMessage(0, Revents.Refused), driver.NextEvent());
            driver.TakeReply();
        }
    }

    private static Span<byte> Bytes(TestVm vm, ulong address, uint length) => vm.Ram.GetSpan(new GuestBuffer(address, length));

    private void AssertServes()
    {
        using var driver = daemon.Boot();
        Assert.Equal(4u, driver.Call(driver.Create(), TestOperation.Echo, 4));
    }
}
