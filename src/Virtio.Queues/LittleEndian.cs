// The shared fields of a ring: little-endian, read and written with an order.
using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Virtio.Queues;

/// <summary>
/// Access to 16-bit fields that the other side reads and writes at the same time. The layout is checked when a queue is
/// made, so that the fields are aligned and each access is one load or store.
/// </summary>
internal static class LittleEndian
{
    /// <summary>Reads with acquire order: what the other side wrote before it wrote this field is seen after it.</summary>
    internal static ushort ReadAcquire(Span<byte> bytes, int offset)
    {
        var value = Volatile.Read(ref MemoryMarshal.Cast<byte, ushort>(bytes.Slice(offset, 2))[0]);
        return BitConverter.IsLittleEndian ? value : BinaryPrimitives.ReverseEndianness(value);
    }

    /// <summary>Writes with release order: what we wrote before is seen by whoever sees this.</summary>
    internal static void WriteRelease(Span<byte> bytes, int offset, ushort value)
    {
        var stored = BitConverter.IsLittleEndian ? value : BinaryPrimitives.ReverseEndianness(value);
        Volatile.Write(ref MemoryMarshal.Cast<byte, ushort>(bytes.Slice(offset, 2))[0], stored);
    }
}
