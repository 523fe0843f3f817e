// Entries of the rings lie in memory as codec_protocol.h has them.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace VirtioUser.Codec.UnitTests;

public sealed class EntryTests
{
    [Fact]
    public void An_output_that_is_read_is_the_structure_in_memory()
    {
        var bytes = new byte[OutputEntry.Length];
        for (var i = 0; i < bytes.Length; i++)
            bytes[i] = (byte)(i + 1);
        bytes.AsSpan(68, 4).Clear();
        bytes.AsSpan(120, 8).Clear();

        var entry = OutputEntry.Read(bytes);

        Assert.Equal(OutputEntry.Length, Unsafe.SizeOf<OutputEntry>());
        Assert.Equal(bytes, MemoryMarshal.AsBytes([entry]).ToArray());
    }

    [Fact]
    public void A_packet_that_is_written_is_the_structure_in_memory()
    {
        PacketEntry entry = new() { Offset = 0x0102030405060708, Size = 0x11121314, Flags = 0x21222324, Timestamp = -0x31323334, Reserved = 5 };
        var bytes = new byte[PacketEntry.Length];
        entry.Write(bytes);
        Assert.Equal(PacketEntry.Length, Unsafe.SizeOf<PacketEntry>());
        Assert.Equal(MemoryMarshal.AsBytes([entry]).ToArray(), bytes);
    }
}
