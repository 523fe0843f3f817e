// Shared memory regions: mapped at the start, seen by the front-end, followed as they move.
using Virtio.Linux;
using Virtio.VhostUser;
using Xunit;

namespace Virtio.Tests.VhostUser;

public class SharedMemoryTests
{
    private const ulong Length = 4 << 20, Address = 1UL << 38;
    private static readonly string[] Started = ["started fresh", "queue 0 started", "queue 1 started"];

    [Fact]
    public void Both_ends_see_the_same_bytes_and_the_device_learns_where_the_guest_sees_them()
    {
        ProcessResources.AssertNothingLeaks(() =>
        {
            using var guest = new Guest();
            using var arena = MemFd.Create("arena", Length);
            using var bytes = Mapping.Map(arena, 0, Length);
            using var connection = new Connection(NewDevice(arena));
            using var window = new PublishingWindow(guest.Region, new FrontEndMemory(arena, 0, Address, 0x5000_0000, Length));
            using var frontEnd = connection.Negotiate();
            window.FrontEnd = frontEnd;
            frontEnd.OpenRequestChannel(window);
            guest.Start(frontEnd);

            var events = new HashSet<string>();
            for (var i = 0; i < 5; i++)
            {
                events.Add(connection.NextEvent());
            }

            Assert.Superset(events, new HashSet<string>([.. Started, "region 0 mapped", $"region 0 at 0x{Address:x}"]));
            bytes.GetSpan(Length - 8, 1)[0] = 99;
            Assert.Equal(99, window.GetSpan(Length - 8, 1)[0]);
            Assert.True(connection.BackEnd.Memory.TryGetSpan(Address + Length - 8, 1, out var seen));
            Assert.Equal(99, seen[0]);
        });
    }

    [Fact]
    public void A_region_that_the_guest_sees_already_is_not_mapped_again()
    {
        using var guest = new Guest();
        using var arena = MemFd.Create("arena", Length);
        using var connection = new Connection(NewDevice(arena));
        using var frontEnd = connection.Negotiate();
        var requests = new RecordingHandler();
        frontEnd.OpenRequestChannel(requests);
        frontEnd.SetFeatures(Guest.Features);
        FrontEndMemory region = new(arena, 0, Address, 0x5000_0000, Length);
        frontEnd.SetMemoryTable([guest.Region, region]);
        StartQueue(guest, frontEnd);
        connection.Expect("started fresh", $"region 0 at 0x{Address:x}", "queue 0 started");

        // A guest moves its PCI windows: the region goes, and comes back elsewhere.
        frontEnd.SetMemoryTable([guest.Region]);
        connection.Expect("memory changing", "memory changed", "region 0 hidden");
        frontEnd.SetMemoryTable([guest.Region, region with { GuestAddress = Address * 2 }]);
        connection.Expect($"region 0 at 0x{Address * 2:x}");
        frontEnd.SetMemoryTable([guest.Region, region]);
        connection.Expect($"region 0 at 0x{Address:x}");

        // The channel answers in order, so that a map request before this would have been seen.
        Assert.True(connection.BackEnd.NotifyConfigurationChanged());
        Await(requests.ConfigurationChange);
        Assert.Equal(0, requests.Maps);
    }

    [Fact]
    public void A_front_end_that_refuses_is_reported()
    {
        using var guest = new Guest();
        using var arena = MemFd.Create("arena", Length);
        using var connection = new Connection(NewDevice(arena));
        // The window is of another region.
        using var window = new SharedMemoryWindow(1, Length);
        using var frontEnd = connection.Negotiate();
        frontEnd.OpenRequestChannel(window);
        guest.Start(frontEnd);
        connection.ExpectAtLast("region 0 failed: The front-end refused");
    }

    [Fact]
    public void A_front_end_that_cannot_is_reported()
    {
        using var guest = new Guest();
        using var arena = MemFd.Create("arena", Length);
        using (var connection = new Connection(NewDevice(arena)))
        using (var frontEnd = connection.Negotiate(ProtocolFeatures.ReplyAcknowledgement))
        {
            guest.Start(frontEnd);
            connection.Expect("started fresh", "region 0 failed: The front-end does not offer shared memory regions (protocol feature SHMEM).");
        }
        using (var connection = new Connection(NewDevice(arena)))
        using (var frontEnd = connection.Negotiate())
        {
            guest.Start(frontEnd);
            connection.Expect("started fresh", "region 0 failed: The front-end gave no channel on which to ask for shared memory.");
        }
    }

    [Fact]
    public void Nothing_is_asked_for_before_the_start_and_after_the_stop()
    {
        using var guest = new Guest();
        using var arena = MemFd.Create("arena", Length);
        using var connection = new Connection(NewDevice(arena));
        using var frontEnd = connection.Negotiate();
        var requests = new RecordingHandler();
        frontEnd.OpenRequestChannel(requests);
        Assert.False(connection.BackEnd.NotifyConfigurationChanged());
        frontEnd.SetFeatures(Guest.Features);
        frontEnd.SetMemoryTable([guest.Region]);
        Assert.Equal(0, requests.Maps);
        StartQueue(guest, frontEnd);
        Await(requests.Mapped);
        frontEnd.SetVringEnable(0, false);
        frontEnd.GetVringBase(0);
        Assert.False(connection.BackEnd.NotifyConfigurationChanged());
        frontEnd.SetMemoryTable([guest.Region]);

        // Each start asks anew, and the channel still works.
        StartQueue(guest, frontEnd);
        Await(requests.Mapped);
        Assert.Equal(2, requests.Maps);
        Assert.True(connection.BackEnd.NotifyConfigurationChanged());
        Await(requests.ConfigurationChange);
    }

    [Fact]
    public void A_front_end_that_reads_requests_only_between_its_own_messages_is_no_trap()
    {
        using var guest = new Guest();
        using var arena = MemFd.Create("arena", Length);
        using var connection = new Connection(NewDevice(arena));
        using var frontEnd = connection.Negotiate();
        var requests = new RecordingHandler();
        // The handler holds the request until the front-end has had all its own answers.
        requests.Gate.Reset();
        frontEnd.OpenRequestChannel(requests);
        guest.Start(frontEnd);
        Assert.Equal([1], guest.Echo(0, [1]));
        requests.Gate.Set();
        Await(requests.Mapped);
    }

    [Theory]
    [InlineData("closed")]
    [InlineData("wrong request")]
    [InlineData("no reply")]
    [InlineData("short")]
    public void A_channel_that_answers_nonsense_is_given_up(string kind)
    {
        using var guest = new Guest();
        using var arena = MemFd.Create("arena", Length);
        using var connection = new Connection(NewDevice(arena));
        (var mine, var theirs) = UnixSocket.Pair();
        using (mine)
        using (theirs)
        {
            var front = new RawFrontEnd(connection.Socket);
            front.Negotiate();
            Assert.Equal(0UL, front.Tell(FrontEndRequest.SetBackEndRequestDescriptor, [], theirs.Descriptor));
            using var wrapped = new FrontEnd(connection.Socket);
            wrapped.SetFeatures(Guest.Features);
            wrapped.SetMemoryTable([guest.Region]);
            StartQueue(guest, wrapped);
            var channel = new RawFrontEnd(mine);
            var request = channel.Receive()!;
            Assert.Equal((uint)BackEndRequest.SharedMemoryMap, request.Request);
            switch (kind)
            {
                case "closed":
                    mine.Shutdown();
                    break;
                case "wrong request":
                    channel.Send((uint)BackEndRequest.SharedMemoryUnmap, RawFrontEnd.Reply, new byte[8]);
                    break;
                case "no reply":
                    channel.Send((uint)BackEndRequest.SharedMemoryMap, 1, new byte[8]);
                    break;
                default:
                    channel.Send((uint)BackEndRequest.SharedMemoryMap, RawFrontEnd.Reply, new byte[4]);
                    break;
            }
            connection.ExpectAtLast("region 0 failed");
            // The device itself goes on.
            Assert.Equal([1], guest.Echo(0, [1]));
            Assert.False(connection.BackEnd.NotifyConfigurationChanged());
        }
    }

    private static void Await(SemaphoreSlim happened) =>
        Assert.True(happened.Wait(Connection.Patience, TestContext.Current.CancellationToken));

    private static EchoDevice NewDevice(FileDescriptor arena)
    {
        var device = new EchoDevice();
        device.Regions.Add(new SharedMemoryRegion(arena, Length));
        return device;
    }

    private static void StartQueue(Guest guest, FrontEnd frontEnd)
    {
        frontEnd.SetVring(0, Guest.UserLayout(0));
        frontEnd.SetVringKick(0, guest.Kicks[0]);
        frontEnd.SetVringCall(0, guest.Calls[0]);
        frontEnd.SetVringEnable(0, true);
    }

    /// <summary>Does as QEMU does: answers first, then sends a memory table that shows the mapping.</summary>
    private sealed class PublishingWindow(FrontEndMemory guest, FrontEndMemory arena) : SharedMemoryWindow(0, Length)
    {
        internal FrontEnd? FrontEnd { get; set; }

        public override void Answered(BackEndRequest request)
        {
            if (request == BackEndRequest.SharedMemoryMap)
            {
                FrontEnd!.SetMemoryTable([guest, arena]);
            }
        }
    }

    private sealed class RecordingHandler : BackEndRequestHandler
    {
        internal int Maps { get; private set; }

        internal ManualResetEventSlim Gate { get; } = new(true);

        internal SemaphoreSlim Mapped { get; } = new(0);

        internal SemaphoreSlim ConfigurationChange { get; } = new(0);

        public override void Map(int region, ulong regionOffset, FileDescriptor descriptor, ulong fileOffset, ulong length, bool writable)
        {
            Gate.Wait(TestContext.Current.CancellationToken);
            Maps++;
            Mapped.Release();
        }

        public override void Unmap(int region, ulong regionOffset, ulong length) => throw new VhostUserException("Nothing was mapped.");

        public override void ConfigurationChanged() => ConfigurationChange.Release();
    }
}
