// What to map where in a shared memory region.
using System.Runtime.InteropServices;

namespace Virtio.VhostUser.Messages;

/// <summary><c>u8 shmid, u8 padding[7], u64 fd offset, u64 region offset, u64 length, u64 flags</c></summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct SharedMemoryMapMessage
{
    internal const int Size = 40;
    internal const ulong Writable = 1;

    private readonly ulong _region;

    internal SharedMemoryMapMessage(byte region, ulong fileOffset, ulong regionOffset, ulong length, ulong flags)
    {
        // The identifier is the first byte in memory, whatever the byte order.
        _region = BitConverter.IsLittleEndian ? region : (ulong)region << 56;
        FileOffset = fileOffset;
        RegionOffset = regionOffset;
        Length = length;
        Flags = flags;
    }

    internal byte Region => (byte)(BitConverter.IsLittleEndian ? _region : _region >> 56);

    internal readonly ulong FileOffset;
    internal readonly ulong RegionOffset;
    internal readonly ulong Length;
    internal readonly ulong Flags;
}
