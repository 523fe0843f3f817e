// A device over a real socket, with real memory and real eventfds.
using Virtio.Linux;
using Virtio.VhostUser;
using Xunit;

namespace Virtio.Tests.VhostUser;

public class BackEndTests
{
    private static readonly string[] AllStarted = ["queue 0 started", "queue 1 started"];
    private static readonly string[] AllStopped = ["queue 0 stopped", "queue 1 stopped", "stopped"];

    [Fact]
    public void The_offer_is_what_is_spoken_here()
    {
        using var connection = new Connection(new EchoDevice());
        using var frontEnd = connection.Negotiate();
        Assert.Equal(Guest.Features | (VirtioFeatures)1, frontEnd.GetFeatures());
        Assert.Equal(ProtocolFeatures.MultipleQueues | ProtocolFeatures.ReplyAcknowledgement |
            ProtocolFeatures.BackEndRequests | ProtocolFeatures.Configuration, frontEnd.GetProtocolFeatures());
        Assert.Equal((ulong)EchoDevice.Queues, frontEnd.GetQueueCount());
        Assert.All(frontEnd.GetSharedMemorySizes(), size => Assert.Equal(0UL, size));
    }

    [Fact]
    public void Shared_memory_is_offered_by_a_device_that_has_some()
    {
        using var arena = MemFd.Create("arena", 1 << 20);
        var device = new EchoDevice();
        device.Regions.AddRange([null, new SharedMemoryRegion(arena, 1 << 20)]);
        using var connection = new Connection(device);
        using var frontEnd = connection.Negotiate();
        Assert.True(frontEnd.GetProtocolFeatures().HasFlag(ProtocolFeatures.SharedMemory));
        var sizes = frontEnd.GetSharedMemorySizes();
        Assert.Equal([0, 1 << 20, 0], sizes.Take(3));
        Assert.Equal(256, sizes.Length);
    }

    [Fact]
    public void The_configuration_space_is_the_device_s_and_zero_behind()
    {
        using var connection = new Connection(new EchoDevice());
        using var frontEnd = connection.Negotiate();
        var bytes = new byte[12];
        frontEnd.ReadConfiguration(bytes);
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0], bytes);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Messages_travel_through_the_queues(bool acknowledged)
    {
        using var guest = new Guest();
        using var connection = new Connection(new EchoDevice());
        using (var frontEnd = connection.Negotiate(acknowledged ? null : ProtocolFeatures.MultipleQueues))
        {
            guest.Start(frontEnd);
            for (var i = 0; i < 100; i++)
            {
                Assert.Equal([1, 2, (byte)i], guest.Echo(0, [1, 2, (byte)i]));
                Assert.Equal([9, (byte)i], guest.Echo(1, [9, (byte)i]));
            }
        }
        Assert.Null(connection.WaitForEnd());
        connection.Expect(["started fresh", .. AllStarted, .. AllStopped, "disconnected"]);
    }

    [Fact]
    public void A_stopped_device_goes_on_where_it_was()
    {
        using var guest = new Guest();
        using var connection = new Connection(new EchoDevice());
        using var frontEnd = connection.Negotiate();
        guest.Start(frontEnd);
        guest.Echo(0, [1]);
        guest.Echo(0, [2]);
        var bases = Guest.Stop(frontEnd);
        Assert.Equal([2, 0], bases.Select(one => (int)one));
        connection.Expect(["started fresh", .. AllStarted, .. AllStopped]);

        guest.Start(frontEnd, bases);
        Assert.Equal([3], guest.Echo(0, [3]));
        connection.Expect(["started again", .. AllStarted]);
    }

    [Fact]
    public void A_driver_that_starts_anew_is_told_apart()
    {
        var device = new EchoDevice();
        using var connection = new Connection(device);
        using var frontEnd = connection.Negotiate();
        for (var i = 0; i < 3; i++)
        {
            using var guest = new Guest();
            guest.Start(frontEnd);
            Assert.Equal([4], guest.Echo(1, [4]));
            Guest.Stop(frontEnd);
            connection.Expect(["started fresh", .. AllStarted, .. AllStopped]);
        }
    }

    [Fact]
    public void One_device_serves_one_connection_after_the_other_and_leaves_nothing_open()
    {
        var device = new EchoDevice();
        ProcessResources.AssertNothingLeaks(() =>
        {
            using var guest = new Guest();
            using var connection = new Connection(device);
            // The connection ends while everything runs.
            using (var frontEnd = connection.Negotiate())
            {
                guest.Start(frontEnd);
                guest.Echo(0, [1]);
            }
            Assert.Null(connection.WaitForEnd());
            Assert.Equal(1, ProcessResources.CountMappings(Guest.MemoryName));
        });
    }

    [Fact]
    public void Stop_ends_a_connection_at_once()
    {
        using var guest = new Guest();
        using var connection = new Connection(new EchoDevice());
        using var frontEnd = connection.Negotiate();
        guest.Start(frontEnd);
        connection.BackEnd.Stop();
        Assert.Null(connection.WaitForEnd());
        connection.Expect(["started fresh", .. AllStarted, .. AllStopped, "disconnected"]);
        Assert.ThrowsAny<Exception>(() => frontEnd.GetFeatures());
        connection.BackEnd.Stop();
    }

    [Fact]
    public void Stop_before_the_start_counts_too()
    {
        (var mine, var theirs) = UnixSocket.Pair();
        using (theirs)
        using (var backEnd = new BackEnd(mine, new EchoDevice()))
        {
            backEnd.Stop();
            backEnd.Run();
            Assert.Throws<InvalidOperationException>(backEnd.Run);
        }
    }

    [Fact]
    public void A_call_descriptor_can_be_replaced_while_the_device_calls()
    {
        using var guest = new Guest();
        var device = new EchoDevice();
        using var connection = new Connection(device);
        using var frontEnd = connection.Negotiate();
        guest.Start(frontEnd);
        connection.Expect("started fresh", "queue 0 started", "queue 1 started");
        var call = device.LastStarted!.Call;
        var done = false;
        var caller = new Thread(() =>
        {
            while (!Volatile.Read(ref done))
            {
                call.Signal();
            }
        });
        caller.Start();
        for (var i = 0; i < 500; i++)
        {
            using var next = EventFd.Create();
            frontEnd.SetVringCall(1, next);
            Assert.True(next.Wait(Connection.Patience));
            if (i % 10 == 0)
            {
                frontEnd.SetVringCall(1, null);
            }
        }
        Volatile.Write(ref done, true);
        caller.Join();
        frontEnd.SetVringCall(1, guest.Calls[1]);
        Assert.Equal([1], guest.Echo(1, [1]));
    }

    [Fact]
    public void A_new_call_descriptor_of_a_running_ring_is_signalled_once_for_what_may_be_lost()
    {
        using var guest = new Guest();
        using var next = EventFd.Create();
        using var connection = new Connection(new EchoDevice());
        using var frontEnd = connection.Negotiate();
        frontEnd.SetVringCall(0, next);
        guest.Start(frontEnd);
        Assert.False(next.TryConsume());
        frontEnd.SetVringCall(0, next);
        Assert.True(next.Wait(Connection.Patience));
    }

    [Fact]
    public void A_kick_descriptor_can_be_replaced_while_the_device_runs()
    {
        using var guest = new Guest();
        using var connection = new Connection(new EchoDevice());
        using var frontEnd = connection.Negotiate();
        guest.Start(frontEnd);
        guest.Echo(0, [1]);
        connection.Expect("started fresh", "queue 0 started", "queue 1 started");
        var before = guest.Kicks[0];
        guest.Kicks[0] = EventFd.Create();
        frontEnd.SetVringKick(0, guest.Kicks[0]);
        before.Dispose();
        Assert.Equal([2], guest.Echo(0, [2]));
        connection.Expect("queue 0 stopped", "queue 0 started");
    }

    [Fact]
    public void A_ring_starts_when_its_last_part_arrives_in_any_order()
    {
        using var guest = new Guest();
        using var connection = new Connection(new EchoDevice());
        using var frontEnd = connection.Negotiate();
        frontEnd.SetFeatures(Guest.Features);
        frontEnd.SetVringEnable(0, true);
        frontEnd.SetVringKick(0, guest.Kicks[0]);
        frontEnd.SetVringCall(0, guest.Calls[0]);
        frontEnd.SetMemoryTable([guest.Region]);
        Assert.Empty(connection.Device.Events);
        frontEnd.SetVring(0, Guest.UserLayout(0));
        connection.Expect("started fresh", "queue 0 started");
        Assert.Equal([1], guest.Echo(0, [1]));
    }

    [Fact]
    public void Without_protocol_features_a_ring_needs_no_enabling()
    {
        using var guest = new Guest();
        using var connection = new Connection(new EchoDevice());
        using var frontEnd = new FrontEnd(connection.Socket);
        frontEnd.SetOwner();
        frontEnd.SetFeatures(Guest.Features & ~VirtioFeatures.ProtocolFeatures);
        frontEnd.SetMemoryTable([guest.Region]);
        frontEnd.SetVringCall(0, guest.Calls[0]);
        frontEnd.SetVring(0, Guest.UserLayout(0));
        frontEnd.SetVringKick(0, guest.Kicks[0]);
        Assert.Equal([1], guest.Echo(0, [1]));
    }

    [Fact]
    public void A_broken_queue_is_reported_to_the_front_end()
    {
        using var guest = new Guest();
        using var connection = new Connection(new EchoDevice());
        using var frontEnd = connection.Negotiate();
        using var error = EventFd.Create();
        guest.Start(frontEnd);
        frontEnd.SetVringError(0, error);
        guest.Memory.TryGetSpan(Guest.Address + 16 * Guest.QueueSize + 2, 2, out var availableIndex);
        availableIndex.Fill(0x77);
        guest.Kicks[0].Signal();
        Assert.True(error.Wait(Connection.Patience));
        // Only that queue is broken.
        Assert.Equal([1], guest.Echo(1, [1]));
    }
}
