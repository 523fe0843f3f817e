// Every message that a front-end must not send.
using System.Runtime.InteropServices;
using Virtio.Linux;
using Virtio.VhostUser;
using Xunit;

namespace Virtio.Tests.VhostUser;

public class BadMessageTests
{
    private const ulong Page = 4096;

    /// <summary>A message, the descriptors that go with it (m = the guest's memory, u = unsealed memory, e = eventfd), and what the error says.</summary>
    public static TheoryData<FrontEndRequest, byte[], string, string> BadMessages => new()
    {
        { FrontEndRequest.SetFeatures, new byte[4], "", "4 bytes instead of 8" },
        { FrontEndRequest.SetFeatures, Numbers(1UL << 63), "", "not offered: 0x8000000000000000" },
        { FrontEndRequest.SetProtocolFeatures, [], "", "0 bytes instead of 8" },
        { FrontEndRequest.SetProtocolFeatures, Numbers(1UL << 15), "", "not offered: 0x8000" },
        { FrontEndRequest.SetMemoryTable, [], "", "not even its header" },
        { FrontEndRequest.SetMemoryTable, Table(9), "mmmmmmmm", "9 regions" },
        { FrontEndRequest.SetMemoryTable, Numbers(0xffffffff), "m", "4294967295 regions" },
        { FrontEndRequest.SetMemoryTable, Table(2)[..40], "mm", "too few for 2 regions" },
        { FrontEndRequest.SetMemoryTable, Table(1), "", "share=on" },
        { FrontEndRequest.SetMemoryTable, Table(1), "mm", "1 regions and 2 descriptors" },
        { FrontEndRequest.SetMemoryTable, Region(0, 0, 0, 0), "m", "region 0 has size 0" },
        { FrontEndRequest.SetMemoryTable, Region(ulong.MaxValue - Page + 1, 2 * Page, 0, 0), "m", "beyond the end" },
        { FrontEndRequest.SetMemoryTable, Region(0, Page, ulong.MaxValue - 1, 0), "m", "beyond the end" },
        { FrontEndRequest.SetMemoryTable, Region(0, Page, 0, ulong.MaxValue - Page + 1), "m", "beyond the end" },
        { FrontEndRequest.SetMemoryTable, Region(0, ulong.MaxValue - Page + 1, 0, 0), "m", "beyond the end" },
        { FrontEndRequest.SetMemoryTable, Region(100, Page, 0, 0), "m", "whole pages" },
        { FrontEndRequest.SetMemoryTable, Region(0, 100, 0, 0), "m", "whole pages" },
        { FrontEndRequest.SetMemoryTable, Region(0, Page, 0, 100), "m", "whole pages" },
        { FrontEndRequest.SetMemoryTable, [.. Numbers(2), .. Numbers(0, Page * 2, 0, 0), .. Numbers(Page, Page, 0x100000, 0)], "mm", "0 and 1 overlap" },
        { FrontEndRequest.SetMemoryTable, Region(0, Guest.Length + Page, 0, 0), "m", "of a file of 1048576" },
        { FrontEndRequest.SetMemoryTable, Region(0, Page, 0, Guest.Length), "m", "of a file of 1048576" },
        { FrontEndRequest.SetMemoryTable, Region(0, Page, 0, 0), "u", "region 0 is not sealed" },
        { FrontEndRequest.SetMemoryTable, [.. Numbers(2), .. Numbers(0, Page, 0, 0), .. Numbers(Page, Page, 0x100000, 0)], "mu", "region 1 is not sealed" },
        { FrontEndRequest.SetMemoryTable, Region(0, Page, 0, 0), "e", "region 0 is not sealed" },
        { FrontEndRequest.SetVringNum, State(0, 0), "", "0 descriptors" },
        { FrontEndRequest.SetVringNum, State(0, 3), "", "3 descriptors" },
        { FrontEndRequest.SetVringNum, State(0, 65536), "", "65536 descriptors" },
        { FrontEndRequest.SetVringNum, State(2, 16), "", "ring 2; there are 2" },
        { FrontEndRequest.SetVringNum, new byte[12], "", "12 bytes instead of 8" },
        { FrontEndRequest.SetVringBase, State(0, 65536), "", "65536" },
        { FrontEndRequest.SetVringBase, State(uint.MaxValue, 0), "", "ring 4294967295" },
        { FrontEndRequest.SetVringAddr, Address(0, 0, Guest.User), "", "share=on" },
        { FrontEndRequest.SetVringAddr, Address(0, 1, Guest.User), "", "logging" },
        { FrontEndRequest.SetVringAddr, Address(2, 0, Guest.User), "", "ring 2" },
        { FrontEndRequest.SetVringAddr, new byte[8], "", "8 bytes instead of 40" },
        { FrontEndRequest.SetVringKick, Numbers(0), "", "0 descriptors instead of 1" },
        { FrontEndRequest.SetVringKick, Numbers(0x100), "", "polling is not offered" },
        { FrontEndRequest.SetVringKick, Numbers(0x100), "e", "1 descriptors instead of 0" },
        { FrontEndRequest.SetVringKick, Numbers(0), "ee", "2 descriptors instead of 1" },
        { FrontEndRequest.SetVringKick, Numbers(0), "m", "not an eventfd" },
        { FrontEndRequest.SetVringKick, Numbers(2), "e", "ring 2" },
        { FrontEndRequest.SetVringKick, Numbers(0x200), "e", "unknown bits" },
        { FrontEndRequest.SetVringCall, Numbers(0), "m", "not an eventfd" },
        { FrontEndRequest.SetVringCall, Numbers(0xff), "e", "ring 255" },
        { FrontEndRequest.SetVringErr, Numbers(1), "m", "not an eventfd" },
        { FrontEndRequest.SetVringErr, new byte[4], "e", "4 bytes instead of 8" },
        { FrontEndRequest.SetVringEnable, State(0, 2), "", "neither 0 nor 1" },
        { FrontEndRequest.SetVringEnable, State(2, 1), "", "ring 2" },
        { FrontEndRequest.SetConfig, [.. State(0, 4), .. State(0, 0)], "", "cannot be written" },
        { FrontEndRequest.SetConfig, State(0, 4), "", "not even its header" },
        { FrontEndRequest.SetBackEndRequestDescriptor, [], "", "0 descriptors instead of 1" },
        { FrontEndRequest.SetBackEndRequestDescriptor, [], "m", "SET_BACKEND_REQ_FD" },
        { FrontEndRequest.SetBackEndRequestDescriptor, [], "ee", "2 descriptors instead of 1" },
        { (FrontEndRequest)6, [], "m", "Message 6 is not known" },
        { (FrontEndRequest)37, new byte[40], "m", "Message 37 is not known" },
        { (FrontEndRequest)(-1), [], "", "Message 4294967295 is not known" },
    };

    [Theory]
    [MemberData(nameof(BadMessages))]
    public void A_bad_message_that_wants_an_answer_is_refused_and_the_connection_lives(FrontEndRequest request, byte[] payload, string descriptors, string reason)
    {
        ProcessResources.AssertNothingLeaks(() =>
        {
            using var files = new Files();
            using var connection = new Connection(new EchoDevice());
            var front = new RawFrontEnd(connection.Socket);
            front.Negotiate();
            Assert.True((long)front.Tell(request, payload, files.Get(descriptors)) < 0);
            var refused = connection.NextEvent();
            Assert.StartsWith("refused: ", refused, StringComparison.Ordinal);
            Assert.Contains(reason, refused, StringComparison.Ordinal);
            Assert.Equal(0UL, front.Tell(FrontEndRequest.SetOwner, []));
            connection.Socket.Dispose();
            Assert.Null(connection.WaitForEnd());
        });
    }

    [Theory]
    [MemberData(nameof(BadMessages))]
    public void A_bad_message_that_wants_no_answer_ends_the_connection(FrontEndRequest request, byte[] payload, string descriptors, string reason)
    {
        ProcessResources.AssertNothingLeaks(() =>
        {
            using var files = new Files();
            using var connection = new Connection(new EchoDevice());
            var front = new RawFrontEnd(connection.Socket);
            front.Negotiate();
            front.Send((uint)request, RawFrontEnd.Version, payload, files.Get(descriptors));
            Assert.Null(front.Receive());
            var failure = Assert.IsType<VhostUserException>(connection.WaitForEnd());
            Assert.Contains(reason, failure.Message, StringComparison.Ordinal);
        });
    }

    public static TheoryData<byte[], int, string> BrokenStreams => new()
    {
        { RawFrontEnd.Bytes(1, 0, 0, []), 0, "version 0" },
        { RawFrontEnd.Bytes(1, 2, 0, []), 0, "version 2" },
        { RawFrontEnd.Bytes(1, 5, 0, []), 0, "is a reply" },
        { RawFrontEnd.Bytes(1, 1, 4097, []), 0, "4097 bytes" },
        { RawFrontEnd.Bytes(1, 1, uint.MaxValue, []), 0, "4294967295 bytes" },
        { RawFrontEnd.Bytes(11, 1, 8, State(2, 0)), 0, "ring 2" },
        { RawFrontEnd.Bytes(11, 9, 8, State(2, 0)), 0, "ring 2" },
        { RawFrontEnd.Bytes(24, 1, 12, [.. State(0, 257), .. new byte[4]]), 0, "257 bytes at 0" },
        { RawFrontEnd.Bytes(24, 1, 12, [.. State(uint.MaxValue, 2), .. new byte[4]]), 0, "2 bytes at 4294967295" },
        { RawFrontEnd.Bytes(24, 1, 12, [.. State(0, 4), .. new byte[4]]), 0, "names 4 bytes and carries 0" },
        { RawFrontEnd.Bytes(1, 1, 0, []), 9, "more than 8 descriptors" },
        { RawFrontEnd.Bytes(1, 1, 0, []), 253, "more than 8 descriptors" },
        { RawFrontEnd.Bytes(1, 1, 0, [])[..5], 0, "middle of a message" },
        { RawFrontEnd.Bytes(2, 1, 8, new byte[3]), 1, "middle of a message" },
    };

    [Theory]
    [MemberData(nameof(BrokenStreams))]
    public void A_broken_stream_ends_the_connection(byte[] bytes, int descriptorCount, string reason)
    {
        ProcessResources.AssertNothingLeaks(() =>
        {
            using var memory = MemFd.Create("junk", 4096);
            using var connection = new Connection(new EchoDevice());
            new RawFrontEnd(connection.Socket).Negotiate();
            connection.Socket.Send(bytes, Enumerable.Repeat(memory, descriptorCount).ToArray());
            if (reason == "middle of a message")
            {
                connection.Socket.Dispose();
            }

            var failure = Assert.IsType<VhostUserException>(connection.WaitForEnd());
            Assert.Contains(reason, failure.Message, StringComparison.Ordinal);
        });
    }

    [Fact]
    public void Descriptors_on_a_message_that_carries_none_are_closed()
    {
        ProcessResources.AssertNothingLeaks(() =>
        {
            using var files = new Files();
            using var connection = new Connection(new EchoDevice());
            var front = new RawFrontEnd(connection.Socket);
            front.Negotiate();
            var before = ProcessResources.CountDescriptors();
            for (var i = 0; i < 100; i++)
            {
                Assert.Equal(0UL, front.Tell(FrontEndRequest.SetOwner, [], files.Get("mmmmmmmm")));
            }
            // At most the last message's are still held.
            Assert.InRange(ProcessResources.CountDescriptors(), before, before + 8);
        });
    }

    [Fact]
    public void A_running_ring_cannot_be_changed_and_runs_on()
    {
        using var guest = new Guest();
        using var connection = new Connection(new EchoDevice());
        using var frontEnd = connection.Negotiate();
        guest.Start(frontEnd);
        connection.Expect("started fresh", "queue 0 started", "queue 1 started");
        Assert.Throws<VhostUserException>(() => frontEnd.SetVring(0, Guest.UserLayout(1)));
        var front = new RawFrontEnd(connection.Socket);
        foreach (var request in (FrontEndRequest[])[FrontEndRequest.SetVringNum, FrontEndRequest.SetVringBase])
        {
            Assert.NotEqual(0UL, front.Tell(request, State(0, 8)));
        }

        Assert.NotEqual(0UL, front.Tell(FrontEndRequest.SetVringAddr, Address(0, 0, Guest.User)));
        Assert.Throws<VhostUserException>(() => frontEnd.SetFeatures(VirtioFeatures.Version1 | VirtioFeatures.ProtocolFeatures));
        frontEnd.SetFeatures(Guest.Features);
        Assert.Equal([5], guest.Echo(0, [5]));
    }

    [Fact]
    public void A_ring_that_does_not_fit_into_the_memory_does_not_start()
    {
        using var guest = new Guest();
        using var connection = new Connection(new EchoDevice());
        using var frontEnd = connection.Negotiate();
        frontEnd.SetFeatures(Guest.Features);
        frontEnd.SetMemoryTable([guest.Region]);
        frontEnd.SetVring(0, new Virtio.Queues.QueueLayout(16, Guest.User, Guest.User + 0x1000, Guest.User + Guest.Length - 128));
        frontEnd.SetVringKick(0, guest.Kicks[0]);
        Assert.Throws<VhostUserException>(() => frontEnd.SetVringEnable(0, true));
        var refused = connection.NextEvent();
        Assert.Contains("The used ring", refused, StringComparison.Ordinal);
        Assert.Contains("not inside the memory", refused, StringComparison.Ordinal);
    }

    private static byte[] Numbers(params ulong[] numbers) => MemoryMarshal.AsBytes<ulong>(numbers).ToArray();

    private static byte[] State(uint index, uint number) => MemoryMarshal.AsBytes<uint>([index, number]).ToArray();

    private static byte[] Address(uint index, uint flags, ulong address) =>
        [.. State(index, flags), .. Numbers(address, address + 0x800, address + 0x400, 0)];

    private static byte[] Region(ulong guestAddress, ulong length, ulong userAddress, ulong fileOffset) =>
        [.. Numbers(1), .. Numbers(guestAddress, length, userAddress, fileOffset)];

    private static byte[] Table(uint count) =>
        [.. Numbers(count), .. Enumerable.Range(0, (int)count).SelectMany(i => Numbers((ulong)i * Page, Page, (ulong)i * Page, 0))];

    /// <summary>The descriptors that a test message can carry.</summary>
    private sealed class Files : IDisposable
    {
        private readonly FileDescriptor _memory = MemFd.Create("sealed", Guest.Length);
        private readonly FileDescriptor _unsealed = MemFd.Create("unsealed", Guest.Length, Seals.None);
        private readonly EventFd _event = EventFd.Create();

        internal FileDescriptor[] Get(string kinds) =>
            kinds.Select(kind => kind == 'm' ? _memory : kind == 'u' ? _unsealed : _event.Descriptor).ToArray();

        public void Dispose()
        {
            _memory.Dispose();
            _unsealed.Dispose();
            _event.Dispose();
        }
    }
}
