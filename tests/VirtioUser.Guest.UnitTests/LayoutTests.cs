// What the library hands to the driver has the layout of virtio_user.h.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using VirtioUser.Guest.Channels;
using Xunit;

namespace VirtioUser.Guest.UnitTests;

public class LayoutTests
{
    [Fact]
    public void A_ping_is_40_bytes_in_the_header_s_order()
    {
        var bytes = MemoryMarshal.AsBytes<PingRequest>([PingRequest.Unchecked(metadata: 1, shmId: 2, offset: 3, length: 4, events: 5)]);

        Assert.Equal([1ul, 2ul, 3ul, 4ul, 5ul], MemoryMarshal.Cast<byte, ulong>(bytes));
        Assert.Equal(PingRequest.Length, bytes.Length);
    }

    [Fact]
    public void An_object_is_32_bytes()
    {
        var bytes = MemoryMarshal.AsBytes<ObjectArgument>([new ObjectArgument { Id = 1, Offset = 2, Length = 3, Flags = 4, Reserved = 5 }]);

        Assert.Equal([1ul, 2ul, 3ul, 0x5_0000_0004ul], MemoryMarshal.Cast<byte, ulong>(bytes));
        Assert.Equal(ObjectArgument.Size, Unsafe.SizeOf<ObjectArgument>());
    }

    [Fact]
    public void Request_numbers_are_those_that_the_header_s_macros_give()
    {
        Assert.Equal(0xC028_BE00u, DriverInterface.Ping);
        Assert.Equal(0xC020_BE01u, DriverInterface.Allocate);
        Assert.Equal(0x4020_BE02u, DriverInterface.Free);
        Assert.Equal(0x4020_BE03u, DriverInterface.Export);
        Assert.Equal(0xC020_BE04u, DriverInterface.Import);
    }
}
