// The guest's memory, as the front-end told it.
using Virtio.Linux;
using Virtio.Queues;
using Virtio.VhostUser.Messages;

namespace Virtio.VhostUser;

/// <summary>
/// Guest memory made of the mapped regions of a memory table. Reading is lock-free from any thread; tables are put in
/// place by the connection's thread, which also knows when the mappings of an old one may go.
/// </summary>
internal sealed class MemoryTable : GuestMemory
{
    // Replaced as a whole, never changed.
    private MemoryRegion[] _regions = [];

    internal ReadOnlySpan<MemoryRegion> Regions => Volatile.Read(ref _regions);

    public override bool TryGetSpan(ulong address, uint length, out Span<byte> span)
    {
        foreach (var region in Volatile.Read(ref _regions))
        {
            if (length <= int.MaxValue && Bounds.Contains(region.Layout.GuestAddress, region.Layout.Length, address, length, out var offset))
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
        foreach (var region in Regions)
        {
            if (Bounds.Contains(region.Layout.UserAddress, region.Layout.Length, userAddress, 1, out var offset))
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
        foreach (var region in Regions)
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
    /// <param name="rules">What is accepted.</param>
    /// <exception cref="VhostUserException">A region cannot be used; the message names it. Nothing has changed then.</exception>
    internal MemoryRegion[] Map(ReadOnlySpan<MemoryRegionMessage> messages, ReceivedDescriptors descriptors, MemoryRules rules)
    {
        var files = new FileIdentity[messages.Length];
        for (var i = 0; i < files.Length; i++)
        {
            files[i] = rules.Check(i, messages[i], new SharedFile(descriptors[i]));
        }

        rules.CheckTotal(messages, files);
        var regions = new MemoryRegion[messages.Length];
        var mapped = 0;
        try
        {
            for (; mapped < regions.Length; mapped++)
            {
                regions[mapped] = MapOne(mapped, messages[mapped], files[mapped], descriptors[mapped]);
            }

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
        foreach (var region in Regions)
        {
            if (!Contains(next, region.Mapping))
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>Puts a table in place. No thread may use a mapping that it loses (<see cref="LosesMappings"/>); these are unmapped.</summary>
    internal void Replace(MemoryRegion[] next)
    {
        var previous = Interlocked.Exchange(ref _regions, next);
        DisposeUnused(previous, next);
    }

    private MemoryRegion MapOne(int index, MemoryRegionMessage layout, FileIdentity file, FileDescriptor descriptor)
    {
        foreach (var old in Regions)
        {
            if (old.File == file && old.Layout.FileOffset == layout.FileOffset && old.Layout.Length == layout.Length)
            {
                return new MemoryRegion(layout, file, old.Mapping);
            }
        }

        try
        {
            return new MemoryRegion(layout, file, Mapping.Map(descriptor, layout.FileOffset, layout.Length));
        }
        catch (LinuxException failure)
        {
            throw MemoryRules.CannotMap(index, failure);
        }
    }

    private static void DisposeUnused(ReadOnlySpan<MemoryRegion> regions, ReadOnlySpan<MemoryRegion> used)
    {
        foreach (var region in regions)
        {
            if (!Contains(used, region.Mapping))
            {
                region.Mapping.Dispose();
            }
        }
    }

    private static bool Contains(ReadOnlySpan<MemoryRegion> regions, Mapping mapping)
    {
        foreach (var region in regions)
        {
            if (ReferenceEquals(region.Mapping, mapping))
            {
                return true;
            }
        }
        return false;
    }
}
