// Which memory tables a back-end accepts.
using System.Diagnostics;
using Virtio.Linux;
using Virtio.VhostUser.Messages;

namespace Virtio.VhostUser;

/// <summary>The checks of a memory table that need its files. All of them come before anything is mapped.</summary>
/// <param name="options">What to insist on.</param>
/// <param name="device">Whose own regions the front-end lists in its tables too.</param>
internal sealed class MemoryRules(BackEndOptions options, BackEndDevice device)
{
    /// <summary>Checks the file of one region. What it finds stays true, whatever the front-end does, unless that is trusted.</summary>
    /// <param name="index">Which region, for the message.</param>
    /// <param name="region">The region, validated.</param>
    /// <param name="file">Its file.</param>
    /// <returns>Which file it is.</returns>
    /// <exception cref="VhostUserException">The region cannot be used; the message names it.</exception>
    internal FileIdentity Check(int index, MemoryRegionMessage region, ISharedFile file)
    {
        try
        {
            if (!options.TrustFrontEnd && SharedFile.WhyUnsafe(file) is { } reason)
            {
                throw new VhostUserException($"Memory region {index} {reason}. Give the VM memory-backend-memfd, with share=on, " +
                    "seal=on (the default) and without hugetlb, or trust the front-end (--trust-front-end).");
            }

            var size = file.Size;
            return Bounds.Contains(size, region.FileOffset, region.Length)
                ? file.Identity
                : throw new VhostUserException($"Memory region {index} ends at byte {region.FileOffset + region.Length} of a file of {size}.");
        }
        catch (LinuxException failure)
        {
            throw CannotMap(index, failure);
        }
    }

    /// <summary>Checks that the regions together are not too large.</summary>
    /// <param name="regions">The regions, validated.</param>
    /// <param name="files">Which file each is of.</param>
    /// <exception cref="VhostUserException">They are; the message has both numbers.</exception>
    internal void CheckTotal(ReadOnlySpan<MemoryRegionMessage> regions, ReadOnlySpan<FileIdentity> files)
    {
        Debug.Assert(regions.Length == files.Length, "a file for each region");
        UInt128 guest = 0, shown = 0, shared = 0;
        foreach (var region in device.SharedMemory)
        {
            shared += region?.Length ?? 0;
        }

        for (var i = 0; i < regions.Length; i++)
        {
            if (IsOwn(files[i]))
            {
                shown += regions[i].Length;
            }
            else
            {
                guest += regions[i].Length;
            }
        }

        // A guest sees the device's memory once. What is listed more often takes address space as any other does.
        guest += shown > shared ? shown - shared : 0;
        if (guest > options.MaxGuestMemory)
        {
            throw new VhostUserException($"SET_MEM_TABLE has {guest} bytes of guest memory; at most {options.MaxGuestMemory} are accepted (--max-guest-memory).");
        }
    }

    /// <summary>The error for a region that the system does not let us map.</summary>
    internal static VhostUserException CannotMap(int index, LinuxException failure) =>
        new($"Memory region {index} cannot be mapped: {failure.Message}", failure);

    private bool IsOwn(FileIdentity file)
    {
        foreach (var region in device.SharedMemory)
        {
            if (region is not null && region.Descriptor.Identity == file)
            {
                return true;
            }
        }

        return false;
    }
}
