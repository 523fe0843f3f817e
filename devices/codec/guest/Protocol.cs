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
    public const uint Version = 1;

    /// <summary>Metadata of pings.</summary>
    public const ulong Open = 1, Doorbell = 2;

    /// <summary>Answers to <see cref="Open"/>.</summary>
    public const uint Ok = 1, BadRequest = 2, BadLayout = 3, UnknownCodec = 4, OpenAlready = 5, NoResources = 6;

    public const uint RingEntries = 64;
    public const int PacketMax = 16 << 20;
    public const int ThreadsMax = 16;

    /// <summary>Offsets of counters and words.</summary>
    public const int PacketsWritten = 0x100, ReturnsWritten = 0x140, OutputsTaken = 0x180,
        GuestWants = 0x1c0, OutputsAt = 0x1c4, PacketsAt = 0x1c8,
        PacketsTaken = 0x200, ReturnsTaken = 0x240, OutputsWritten = 0x280, DeviceWaits = 0x2c0, Broken = 0x300;

    /// <summary>Offsets of the rings' entries.</summary>
    public const int Packets = 0x1000, Returns = 0x1800, Outputs = 0x2000;

    /// <summary>Where the first part, of fixed layout, ends.</summary>
    public const int Areas = 0x4000;

    /// <summary>Bits of guest_wants and of events.</summary>
    public const uint EventOutput = 1, EventSpace = 2;

    /// <summary>Flag of a packet: the stream ends.</summary>
    public const uint PacketEnd = 1;

    /// <summary>Types of outputs.</summary>
    public const uint OutputFrame = 1, OutputError = 2, OutputEnd = 3;

    /// <summary>Flags of pictures.</summary>
    public const uint FrameKey = 1, FrameCorrupt = 2, FrameFullRange = 4, FrameRgb = 8;
}

/// <summary>struct codec_setup.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SetupEntry
{
    public uint Codec;
    public uint Threads;
    public ulong DataOffset;
    public ulong DataSize;
    public ulong FramesOffset;
    public ulong FramesSize;
}

/// <summary>struct codec_packet.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PacketEntry
{
    public const int Length = 32;

    public ulong Offset;
    public uint Size;
    public uint Flags;
    public long Timestamp;
    public ulong Reserved;

    /// <summary>Writes the entry. Member by member, as with <see cref="OutputEntry.Read"/>.</summary>
    public readonly void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, Offset);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[8..], Size);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[12..], Flags);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[16..], Timestamp);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[24..], Reserved);
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
    public ulong Reserved2;

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
        };
        for (var plane = 0; plane < 4; plane++)
        {
            entry.Stride[plane] = BinaryPrimitives.ReadUInt32LittleEndian(bytes[(52 + (4 * plane))..]);
            entry.Plane[plane] = BinaryPrimitives.ReadUInt64LittleEndian(bytes[(72 + (8 * plane))..]);
        }

        return entry;
    }
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
