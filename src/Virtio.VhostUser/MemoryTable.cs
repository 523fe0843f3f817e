// The guest's memory, as the front-end told it.
using Virtio.Linux;
using Virtio.Queues;
using Virtio.VhostUser.Messages;

namespace Virtio.VhostUser;

/// <summary>
/// Guest memory made of the mapped regions of a memory table. Reading is lock-free from any thread; tables are put in
/// place by the connection's thread, which also knows when the mappings of an old one may go.
/// </summary>
sealed class MemoryTable : GuestMemory
{
    // Replaced as a whole, never changed.
    MemoryRegion[] _regions = [];

    internal ReadOnlySpan<MemoryRegion> Regions => Volatile.Read(ref _regions);

    public override bool TryGetSpan(ulong address, uint length, out Span<byte> span)
    {
        foreach (MemoryRegion region in Volatile.Read(ref _regions))
        {
            ulong offset = unchecked(address - region.Layout.GuestAddress);
            if (address >= region.Layout.GuestAddress && length <= region.Layout.Length && offset <= region.Layout.Length - length && length <= int.MaxValue)
            {
                span = region.Mapping.GetSpan(offset, (int)length);
                return true;
            }
        }
        span = default;
        return false;
    }

    /// <summary>Turns an address of the front-end's process into one of the guest.</summary>
    internal bool TryGetGuestAddress(ulong userAddress, out ulong guestAddress)
    {
        foreach (MemoryRegion region in Regions)
        {
            ulong offset = unchecked(userAddress - region.Layout.UserAddress);
            if (userAddress >= region.Layout.UserAddress && offset < region.Layout.Length)
            {
                guestAddress = region.Layout.GuestAddress + offset;
                return true;
            }
        }
        guestAddress = 0;
        return false;
    }

    /// <summary>Finds where the guest sees the first <paramref name="length"/> bytes of a file, if it does.</summary>
    internal bool TryFind(FileIdentity file, ulong length, out ulong guestAddress)
    {
        foreach (MemoryRegion region in Regions)
        {
            if (region.File == file && region.Layout.FileOffset == 0 && region.Layout.Length >= length)
            {
                guestAddress = region.Layout.GuestAddress;
                return true;
            }
        }
        guestAddress = 0;
        return false;
    }

    /// <summary>
    /// Maps the regions of a new table. Those that show the same part of the same file as one of the present table share
    /// its mapping: the memory of a running guest is not mapped anew at every change.
    /// </summary>
    /// <param name="messages">The table, validated.</param>
    /// <param name="descriptors">A descriptor for each region; may be closed afterwards.</param>
    /// <param name="requireSealed">Whether to refuse memory that could be shrunk.</param>
    /// <exception cref="VhostUserException">A region cannot be used; the message names it. Nothing has changed then.</exception>
    internal MemoryRegion[] Map(ReadOnlySpan<MemoryRegionMessage> messages, ReceivedDescriptors descriptors, bool requireSealed)
    {
        var regions = new MemoryRegion[messages.Length];
        int mapped = 0;
        try
        {
            for (; mapped < regions.Length; mapped++)
                regions[mapped] = MapOne(mapped, messages[mapped], descriptors[mapped], requireSealed);
            return regions;
        }
        catch
        {
            DisposeUnused(regions.AsSpan(0, mapped), Regions);
            throw;
        }
    }

    /// <summary>Whether some mapping of the present table is not in another.</summary>
    internal bool LosesMappings(ReadOnlySpan<MemoryRegion> next)
    {
        foreach (MemoryRegion region in Regions)
        {
            if (!Contains(next, region.Mapping))
                return true;
        }
        return false;
    }

    /// <summary>Puts a table in place. No thread may use a mapping that it loses (<see cref="LosesMappings"/>); these are unmapped.</summary>
    internal void Replace(MemoryRegion[] next)
    {
        MemoryRegion[] previous = Interlocked.Exchange(ref _regions, next);
        DisposeUnused(previous, next);
    }

    MemoryRegion MapOne(int index, MemoryRegionMessage layout, FileDescriptor descriptor, bool requireSealed)
    {
        try
        {
            FileIdentity file = descriptor.Identity;
            // The checks come before the search for an old mapping: the file may have changed under it.
            if (descriptor.Size < layout.FileOffset + layout.Length)
                throw new VhostUserException($"Memory region {index} ends at byte {layout.FileOffset + layout.Length} of a file of {descriptor.Size}.");
            if (requireSealed && (MemFd.GetSeals(descriptor) & Seals.Shrink) == 0)
            {
                throw new VhostUserException($"Memory region {index} is not sealed against shrinking. " +
                    "Give the VM memory-backend-memfd, with share=on and seal=on (the default).");
            }
            foreach (MemoryRegion old in Regions)
            {
                if (old.File == file && old.Layout.FileOffset == layout.FileOffset && old.Layout.Length == layout.Length)
                    return new MemoryRegion(layout, file, old.Mapping);
            }
            return new MemoryRegion(layout, file, Mapping.Map(descriptor, layout.FileOffset, layout.Length));
        }
        catch (LinuxException failure)
        {
            throw new VhostUserException($"Memory region {index} cannot be mapped: {failure.Message}", failure);
        }
    }

    static void DisposeUnused(ReadOnlySpan<MemoryRegion> regions, ReadOnlySpan<MemoryRegion> used)
    {
        foreach (MemoryRegion region in regions)
        {
            if (!Contains(used, region.Mapping))
                region.Mapping.Dispose();
        }
    }

    static bool Contains(ReadOnlySpan<MemoryRegion> regions, Mapping mapping)
    {
        foreach (MemoryRegion region in regions)
        {
            if (ReferenceEquals(region.Mapping, mapping))
                return true;
        }
        return false;
    }
}
