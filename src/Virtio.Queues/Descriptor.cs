// One entry of a descriptor table.
using System.Buffers.Binary;

namespace Virtio.Queues;

/// <summary>A descriptor (virtio 1.2, section 2.7.5): <c>le64 addr, le32 len, le16 flags, le16 next</c>.</summary>
internal readonly record struct Descriptor(ulong Address, uint Length, DescriptorFlags Flags, ushort Next)
{
    internal const int Size = 16;

    /// <summary>Copies a descriptor out of shared memory, once: what is checked is what is used.</summary>
    internal static Descriptor Read(ReadOnlySpan<byte> table, int index)
    {
        var entry = table.Slice(index * Size, Size);
        return new Descriptor(
            BinaryPrimitives.ReadUInt64LittleEndian(entry),
            BinaryPrimitives.ReadUInt32LittleEndian(entry[8..]),
            (DescriptorFlags)BinaryPrimitives.ReadUInt16LittleEndian(entry[12..]),
            BinaryPrimitives.ReadUInt16LittleEndian(entry[14..]));
    }

    internal void Write(Span<byte> table, int index)
    {
        var entry = table.Slice(index * Size, Size);
        BinaryPrimitives.WriteUInt64LittleEndian(entry, Address);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[8..], Length);
        BinaryPrimitives.WriteUInt16LittleEndian(entry[12..], (ushort)Flags);
        BinaryPrimitives.WriteUInt16LittleEndian(entry[14..], Next);
    }

    /// <summary>Writes it if something else stands there: memory that stays as it is stays in the other side's cache.</summary>
    internal void WriteIfOther(Span<byte> table, int index)
    {
        if (Read(table, index) != this)
        {
            Write(table, index);
        }
    }
}

/// <summary>Flags of a descriptor.</summary>
[Flags]
internal enum DescriptorFlags : ushort
{
    None = 0,
    /// <summary>The chain goes on at <c>next</c>.</summary>
    Next = 1,
    /// <summary>The device writes the buffer, and may not read it.</summary>
    Write = 2,
    /// <summary>The buffer is a table of descriptors.</summary>
    Indirect = 4,
}
