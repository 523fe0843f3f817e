// The numbers and structures of codec_protocol.h, which is the reference.
using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace VirtioUser.Codec;

/// <summary>Numbers and offsets.</summary>
internal static class Protocol
{
    public const uint Vendor = 0x5655;
    public const uint Device = 0x0003;
    public const uint Version = 2;

    /// <summary>Metadata of pings.</summary>
    public const ulong Open = 1, Doorbell = 2;

    /// <summary>Answers to <see cref="Open"/>.</summary>
    public const uint Ok = 1, BadRequest = 2, BadLayout = 3, OpenAlready = 5, NoResources = 6;

    public const uint RingEntries = 64;
    public const int ChunkMax = 16 << 20;
    public const int ThreadsMax = 16;

    /// <summary>Offsets of counters and words.</summary>
    public const int ChunksWritten = 0x100, ReturnsWritten = 0x140, OutputsTaken = 0x180,
        GuestWants = 0x1c0, OutputsAt = 0x1c4, ChunksAt = 0x1c8,
        ChunksTaken = 0x200, ReturnsTaken = 0x240, OutputsWritten = 0x280, DeviceWaits = 0x2c0, Broken = 0x300;

    /// <summary>Offsets of the rings' entries.</summary>
    public const int Chunks = 0x1000, Returns = 0x1800, Outputs = 0x2000;

    /// <summary>Where the first part, of fixed layout, ends.</summary>
    public const int Areas = 0x4000;

    /// <summary>Bits of guest_wants and of events.</summary>
    public const uint EventOutput = 1, EventSpace = 2;

    /// <summary>Flag of a chunk: the stream ends.</summary>
    public const uint ChunkEnd = 1;

    /// <summary>The timestamp of a picture that has none.</summary>
    public const long NoTime = long.MinValue;

    /// <summary>Types of outputs.</summary>
    public const uint OutputFrame = 1, OutputError = 2, OutputEnd = 3, OutputStream = 4;

    /// <summary>Flags of pictures.</summary>
    public const uint FrameKey = 1, FrameCorrupt = 2, FrameFullRange = 4, FrameRgb = 8;
}

/// <summary>struct codec_setup.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SetupEntry
{
    public uint Reserved;
    public uint Threads;
    public ulong DataOffset;
    public ulong DataSize;
    public ulong FramesOffset;
    public ulong FramesSize;
}

/// <summary>struct codec_chunk.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ChunkEntry
{
    public const int Length = 32;

    public ulong Offset;
    public uint Size;
    public uint Flags;
    public ulong Reserved;
    public ulong Reserved2;

    /// <summary>Writes the entry. Member by member, as with <see cref="OutputEntry.Read"/>.</summary>
    public readonly void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, Offset);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[8..], Size);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[12..], Flags);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[16..], Reserved);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[24..], Reserved2);
    }
}

/// <summary>struct codec_output.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct OutputEntry
{
    public const int Length = 128;

    public uint Type;
    public uint Error;
    public uint Token;
    public uint Flags;
    public long Timestamp;
    public uint Width;
    public uint Height;
    public uint Planes;
    public uint Bits;
    public uint ChromaShiftX;
    public uint ChromaShiftY;
    public uint Matrix;
    public FourStrides Stride;
    public uint Reserved;
    public FourOffsets Plane;
    public ulong Needed;
    public uint AspectNumerator;
    public uint AspectDenominator;
    public long Duration;

    /// <summary>
    /// Copies an entry, each member once. Not as a whole by a generic method: that could not be compiled ahead of time, and to compile
    /// it while the first picture waits takes an emulated processor as long as several pictures.
    /// </summary>
    public static OutputEntry Read(ReadOnlySpan<byte> bytes)
    {
        OutputEntry entry = new()
        {
            Type = BinaryPrimitives.ReadUInt32LittleEndian(bytes),
            Error = BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]),
            Token = BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]),
            Flags = BinaryPrimitives.ReadUInt32LittleEndian(bytes[12..]),
            Timestamp = BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]),
            Width = BinaryPrimitives.ReadUInt32LittleEndian(bytes[24..]),
            Height = BinaryPrimitives.ReadUInt32LittleEndian(bytes[28..]),
            Planes = BinaryPrimitives.ReadUInt32LittleEndian(bytes[32..]),
            Bits = BinaryPrimitives.ReadUInt32LittleEndian(bytes[36..]),
            ChromaShiftX = BinaryPrimitives.ReadUInt32LittleEndian(bytes[40..]),
            ChromaShiftY = BinaryPrimitives.ReadUInt32LittleEndian(bytes[44..]),
            Matrix = BinaryPrimitives.ReadUInt32LittleEndian(bytes[48..]),
            Needed = BinaryPrimitives.ReadUInt64LittleEndian(bytes[104..]),
            AspectNumerator = BinaryPrimitives.ReadUInt32LittleEndian(bytes[112..]),
            AspectDenominator = BinaryPrimitives.ReadUInt32LittleEndian(bytes[116..]),
            Duration = BinaryPrimitives.ReadInt64LittleEndian(bytes[120..]),
        };
        for (var plane = 0; plane < 4; plane++)
        {
            entry.Stride[plane] = BinaryPrimitives.ReadUInt32LittleEndian(bytes[(52 + (4 * plane))..]);
            entry.Plane[plane] = BinaryPrimitives.ReadUInt64LittleEndian(bytes[(72 + (8 * plane))..]);
        }

        return entry;
    }
}

/// <summary>struct codec_stream: another way to look at the same bytes.</summary>
/// <param name="bytes">An entry of the ring, copied.</param>
internal readonly ref struct StreamEntry(ReadOnlySpan<byte> bytes)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;

    public uint Codec => Read(4);

    public (uint Numerator, uint Denominator) TimeBase => (Read(8), Read(12));

    public (uint Numerator, uint Denominator) Rate => (Read(16), Read(20));

    public uint Width => Read(24);

    public uint Height => Read(28);

    public (uint Numerator, uint Denominator) Aspect => (Read(32), Read(36));

    private uint Read(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(_bytes[offset..]);
}

/// <summary>uint32_t stride[4].</summary>
[InlineArray(4)]
internal struct FourStrides
{
    private uint _first;
}

/// <summary>uint64_t plane[4].</summary>
[InlineArray(4)]
internal struct FourOffsets
{
    private ulong _first;
}
