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
        {
            bytes[i] = (byte)(i + 1);
        }

        bytes.AsSpan(68, 4).Clear();

        var entry = OutputEntry.Read(bytes);

        Assert.Equal(OutputEntry.Length, Unsafe.SizeOf<OutputEntry>());
        Assert.Equal(bytes, MemoryMarshal.AsBytes([entry]).ToArray());
    }

    [Fact]
    public void A_chunk_that_is_written_is_the_structure_in_memory()
    {
        ChunkEntry entry = new() { Offset = 0x0102030405060708, Size = 0x11121314, Flags = 0x21222324, Reserved = 5, Reserved2 = 6 };
        var bytes = new byte[ChunkEntry.Length];
        entry.Write(bytes);
        Assert.Equal(ChunkEntry.Length, Unsafe.SizeOf<ChunkEntry>());
        Assert.Equal(MemoryMarshal.AsBytes([entry]).ToArray(), bytes);
    }
}
