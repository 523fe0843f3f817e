// The shared memory regions of a device in another process, as the driver sees them.
using Virtio.Linux;
using Virtio.VhostUser.Messages;

namespace Virtio.VhostUser;

/// <summary>
/// Does for a <see cref="RemoteDevice"/> what a virtual machine monitor does for a guest: maps what the back-end asks for
/// into a window for each region, and lists it in the memory table. Any thread.
/// </summary>
internal sealed class RemoteSharedMemory : BackEndRequestHandler, IDisposable
{
    // One entry of the memory table is the driver's own memory.
    private const int MaximumParts = MemoryTableMessage.MaximumRegions - 1;

    // Far from the driver's memory, and far enough from each other for any region.
    private const ulong FirstAddress = 1UL << 40, Distance = 1UL << 40;

    private readonly object _lock = new();
    private readonly ulong[] _sizes;
    private readonly bool _requireSealed;
    private readonly Action _mapped, _configurationChanged;
    private readonly SharedMemoryWindow?[] _windows;
    private readonly List<Part> _parts = [];

    /// <param name="sizes">The regions' sizes in bytes; 0 = there is none with this index.</param>
    /// <param name="requireSealed">Whether files must be sealed against shrinking.</param>
    /// <param name="mapped">Called, outside every lock, when the memory table has changed.</param>
    /// <param name="configurationChanged">Called when the device says so.</param>
    internal RemoteSharedMemory(ulong[] sizes, bool requireSealed, Action mapped, Action configurationChanged)
    {
        (_sizes, _requireSealed, _mapped, _configurationChanged) = (sizes, requireSealed, mapped, configurationChanged);
        _windows = new SharedMemoryWindow?[sizes.Length];
    }

    /// <summary>The entries of the memory table, behind the driver's own memory. The descriptors stay this object's.</summary>
    internal FrontEndMemory[] Table
    {
        get
        {
            lock (_lock)
            {
                return [.. _parts.Select(part => part.Entry)];
            }
        }
    }

    /// <summary>Finds the file behind a range of a region.</summary>
    /// <returns>A mapping of its own, which the caller owns, or null if the device has not mapped all of the range.</returns>
    /// <exception cref="LinuxException">It cannot be mapped.</exception>
    internal Mapping? TryMap(int region, ulong offset, ulong length, MapAccess access)
    {
        lock (_lock)
        {
            foreach (var part in _parts)
            {
                if (part.Region != region || !Bounds.Contains(part.Offset, part.Length, offset, length, out var inside))
                {
                    continue;
                }
                // The file itself might allow it.
                if (access == MapAccess.ReadWrite && !part.Writable)
                {
                    throw new LinuxException($"mmap of shared memory region {region}", Errno.EACCES);
                }

                return Mapping.Map(part.Descriptor, part.FileOffset + inside, length, access);
            }
        }
        return null;
    }

    /// <inheritdoc/>
    public override void Map(int region, ulong regionOffset, FileDescriptor descriptor, ulong fileOffset, ulong length, bool writable)
    {
        ArgumentNullException.ThrowIfNull(descriptor);
        lock (_lock)
        {
            if (region >= _sizes.Length || _sizes[region] == 0)
            {
                throw new VhostUserException($"There is no shared memory region {region}.");
            }

            if (_requireSealed && SharedFile.WhyUnsafe(descriptor) is { } reason)
            {
                throw new VhostUserException($"The file for a shared memory region {reason}.");
            }

            if (_parts.Exists(part => part.Overlaps(region, regionOffset, length)))
            {
                throw new VhostUserException($"{length} bytes at {regionOffset} of shared memory region {region} are in use.");
            }

            if (_parts.Count == MaximumParts)
            {
                throw new VhostUserException($"More than {MaximumParts} parts of shared memory regions are mapped.");
            }
            // Reserved here: most drivers of devices with a region never come to this.
            var window = _windows[region] ??= new SharedMemoryWindow(region, _sizes[region]);
            window.Map(region, regionOffset, descriptor, fileOffset, length, writable);
            _parts.Add(new Part(region, regionOffset, descriptor.Duplicate(), fileOffset, length, writable));
        }
    }

    /// <inheritdoc/>
    public override void Unmap(int region, ulong regionOffset, ulong length)
    {
        lock (_lock)
        {
            var index = _parts.FindIndex(part => part.Region == region && part.Offset == regionOffset && part.Length == length);
            if (index < 0)
            {
                throw new VhostUserException($"{length} bytes at {regionOffset} of shared memory region {region} are not what was mapped.");
            }

            _windows[region]!.Unmap(region, regionOffset, length);
            _parts[index].Descriptor.Dispose();
            _parts.RemoveAt(index);
        }
    }

    /// <inheritdoc/>
    public override void ConfigurationChanged() => _configurationChanged();

    /// <inheritdoc/>
    public override void Answered(BackEndRequest request)
    {
        if (request is BackEndRequest.SharedMemoryMap or BackEndRequest.SharedMemoryUnmap)
        {
            _mapped();
        }
    }

    /// <summary>Unmaps everything. The front-end must be disposed of before.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            foreach (var window in _windows)
            {
                window?.Dispose();
            }

            _parts.ForEach(part => part.Descriptor.Dispose());
            _parts.Clear();
        }
    }

    private sealed record Part(int Region, ulong Offset, FileDescriptor Descriptor, ulong FileOffset, ulong Length, bool Writable)
    {
        private ulong Address => FirstAddress + Distance * (ulong)Region + Offset;

        internal FrontEndMemory Entry => new(Descriptor, FileOffset, Address, Address, Length);

        internal bool Overlaps(int region, ulong offset, ulong length) =>
            region == Region && (offset >= Offset ? offset - Offset < Length : Offset - offset < length);
    }
}
