// One region of the memory table, as it goes over the wire.
using System.Runtime.InteropServices;
using Virtio.Linux;

namespace Virtio.VhostUser.Messages;

/// <summary><c>u64 guest address, u64 size, u64 user address, u64 mmap offset</c></summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct MemoryRegionMessage(ulong GuestAddress, ulong Length, ulong UserAddress, ulong FileOffset)
{
    internal const int Size = 32;

    private const ulong Page = 4096;

    /// <summary>Checks that no range overflows and that everything is whole pages, so that alignment here is alignment in the guest.</summary>
    /// <exception cref="VhostUserException">Something is wrong; the message names the region.</exception>
    internal void Validate(int index)
    {
        if (Length == 0)
        {
            throw new VhostUserException($"Memory region {index} has size 0.");
        }

        if (!Bounds.Contains(ulong.MaxValue, GuestAddress, Length) || !Bounds.Contains(ulong.MaxValue, UserAddress, Length) ||
            !Bounds.Contains(Mapping.MaximumEnd, FileOffset, Length))
        {
            throw new VhostUserException($"Memory region {index} goes beyond the end of an address space.");
        }

        if (GuestAddress % Page != 0 || Length % Page != 0 || UserAddress % Page != 0 || FileOffset % Page != 0)
        {
            throw new VhostUserException($"Memory region {index} is not made of whole pages.");
        }
    }
}
