// The sizes of the shared memory regions.
using System.Runtime.InteropServices;

namespace Virtio.VhostUser.Messages;

/// <summary><c>u32 number of regions, u32 padding, u64 sizes[256]</c>; the index is the region's identifier, 0 = absent.</summary>
internal static class SharedMemoryConfigMessage
{
    internal const int HeaderSize = 8;
    internal const int MaximumRegions = 256;
    internal const int Size = HeaderSize + MaximumRegions * sizeof(ulong);

    internal static void Write(ReadOnlySpan<ulong> sizes, Span<byte> payload)
    {
        payload.Clear();
        MemoryMarshal.Write(payload, (uint)(sizes.Length - sizes.Count(0UL)));
        MemoryMarshal.AsBytes(sizes).CopyTo(payload[HeaderSize..]);
    }

    /// <exception cref="VhostUserException">The message is too short or too long.</exception>
    internal static ulong[] Read(ReadOnlySpan<byte> payload)
    {
        if (payload.Length is < HeaderSize or > Size || payload.Length % sizeof(ulong) != 0)
        {
            throw new VhostUserException($"The reply to GET_SHMEM_CONFIG has {payload.Length} bytes.");
        }

        return MemoryMarshal.Cast<byte, ulong>(payload[HeaderSize..]).ToArray();
    }
}
