// The memory table, as it goes over the wire.
using System.Runtime.InteropServices;

namespace Virtio.VhostUser.Messages;

/// <summary><c>u32 count, u32 padding, regions</c></summary>
internal static class MemoryTableMessage
{
    internal const int HeaderSize = 8;

    /// <summary>The most regions that a table can have.</summary>
    internal const int MaximumRegions = 8;

    /// <summary>Reads and checks a table.</summary>
    /// <param name="payload">The message.</param>
    /// <param name="descriptorCount">How many descriptors came with it.</param>
    /// <exception cref="VhostUserException">Something is wrong; the message says what, and about which region.</exception>
    internal static MemoryRegionMessage[] Read(ReadOnlySpan<byte> payload, int descriptorCount)
    {
        if (payload.Length < HeaderSize)
        {
            throw new VhostUserException($"SET_MEM_TABLE has {payload.Length} bytes, not even its header.");
        }

        var count = MemoryMarshal.Read<uint>(payload);
        if (count > MaximumRegions)
        {
            throw new VhostUserException($"SET_MEM_TABLE has {count} regions; at most {MaximumRegions} are possible.");
        }
        // Some front-ends always send room for the largest table.
        if (payload.Length < HeaderSize + count * MemoryRegionMessage.Size)
        {
            throw new VhostUserException($"SET_MEM_TABLE has {payload.Length} bytes, too few for {count} regions.");
        }

        if (descriptorCount != count)
        {
            throw new VhostUserException($"SET_MEM_TABLE has {count} regions and {descriptorCount} descriptors. " +
                "Guest memory must be shared: start the VM with share=on for its memory.");
        }
        var regions =
            MemoryMarshal.Cast<byte, MemoryRegionMessage>(payload.Slice(HeaderSize, (int)count * MemoryRegionMessage.Size));
        for (var i = 0; i < regions.Length; i++)
        {
            regions[i].Validate(i);
            for (var j = 0; j < i; j++)
            {
                if (regions[i].GuestAddress < regions[j].GuestAddress + regions[j].Length &&
                    regions[j].GuestAddress < regions[i].GuestAddress + regions[i].Length)
                {
                    throw new VhostUserException($"Memory regions {j} and {i} overlap.");
                }
            }
        }
        return regions.ToArray();
    }

    /// <summary>Writes a table.</summary>
    /// <returns>The number of bytes written.</returns>
    internal static int Write(ReadOnlySpan<MemoryRegionMessage> regions, Span<byte> payload)
    {
        payload[..HeaderSize].Clear();
        MemoryMarshal.Write(payload, (uint)regions.Length);
        MemoryMarshal.AsBytes(regions).CopyTo(payload[HeaderSize..]);
        return HeaderSize + regions.Length * MemoryRegionMessage.Size;
    }
}
