// The memory of one plug-in that is part of shared-memory objects.
using VirtioUser.Host.Instances;
using VirtioUser.Host.Memory;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Plugins;

/// <summary>
/// Answers <c>map</c> and <c>unmap</c>. A mapping keeps its object's range from being given out again, whatever the guest
/// frees, until it is unmapped or until no instance of this plug-in's device that holds the object is left. Any thread.
/// </summary>
internal sealed class PluginMemory(
    IPluginPlatform platform, DeviceIdentity device, ObjectTable objects, ArenaAddress arena, GuestLog guestLog)
{
    private readonly Lock _lock = new();
    private readonly List<Mapping> _mappings = [];

    // Longer than the guest can reach them: one that closes still runs its last pings.
    private readonly Dictionary<ulong, Instance> _instances = [];

    /// <summary>Puts memory of the plug-in under a range of an object.</summary>
    /// <returns>False if that is refused; the log says why.</returns>
    public bool Map(ulong physicalAddress, nint hostPointer, ulong size)
    {
        var reason = Try(() => TryMap(physicalAddress, hostPointer, size));
        if (reason is not null && guestLog.Allows(out var log))
        {
            Log.MapRefused(log, device, size, (ulong)hostPointer, physicalAddress, reason);
        }

        return reason is null;
    }

    /// <summary>Takes away what <see cref="Map"/> has put there, with the same address and size.</summary>
    /// <returns>False if there is no such mapping, or the system refused; the log says so.</returns>
    public bool Unmap(ulong physicalAddress, ulong size)
    {
        var reason = Try(() => TryUnmap(physicalAddress, size));
        if (reason is not null && guestLog.Allows(out var log))
        {
            Log.UnmapRefused(log, device, size, physicalAddress, reason);
        }

        return reason is null;
    }

    /// <summary>Whether no instance is left, and no mapping either.</summary>
    public bool IsUnused
    {
        get
        {
            lock (_lock)
            {
                return _instances.Count == 0 && _mappings.Count == 0;
            }
        }
    }

    /// <summary>Whether <see cref="Map"/> would find an object there.</summary>
    public bool HasObject(ulong physicalAddress, ulong size)
    {
        lock (_lock)
        {
            return arena.TryGetOffset(physicalAddress, out var offset) && FindHolder(offset, size).Shared is not null;
        }
    }

    /// <summary>Whether <see cref="Unmap"/> would find a mapping.</summary>
    public bool HasMapping(ulong physicalAddress, ulong size)
    {
        lock (_lock)
        {
            return FindMapping(physicalAddress, size) is not null;
        }
    }

    /// <summary>An instance of the device begins; the library has not heard of it.</summary>
    public void BeginInstance(Instance instance)
    {
        lock (_lock)
        {
            _instances.Add(instance.Handle, instance);
        }
    }

    /// <summary>
    /// The last callback of an instance has returned. What is mapped into an object that it holds, or held when it was mapped,
    /// is unmapped, unless another instance of the device holds the object. What the system refused to unmap before is tried again.
    /// </summary>
    public void EndInstance(ulong handle)
    {
        lock (_lock)
        {
            if (!_instances.Remove(handle, out var ending))
            {
                return;
            }

            foreach (var mapping in _mappings.Where(mapping => mapping.MustEnd || mapping.Owners.Remove(handle) || mapping.IsHeldBy(ending)).ToList())
            {
                var others = _instances.Values.Where(mapping.IsHeldBy).Select(instance => instance.Handle).ToList();
                mapping.Owners.UnionWith(others);
                mapping.MustEnd |= others.Count == 0;
                if (mapping.MustEnd && Try(() => End(mapping)) is { } reason && guestLog.Allows(out var log))
                {
                    Log.UnmapRefused(log, device, mapping.Size, mapping.PhysicalAddress, reason);
                }
            }
        }
    }

    private static bool Overlaps(Mapping mapping, ulong offset, ulong size) => offset < mapping.Offset + mapping.Size && mapping.Offset < offset + size;

    // What calls is native code, which no exception may reach.
    private static string? Try(Func<string?> action)
    {
        try
        {
            return action();
        }
#pragma warning disable CA1031 // as above
        catch (Exception e)
#pragma warning restore CA1031
        {
            return e.Message;
        }
    }

    private string? TryMap(ulong physicalAddress, nint hostPointer, ulong size)
    {
        if (size == 0 || ((physicalAddress | (ulong)hostPointer | size) & (Limits.PageSize - 1)) != 0)
        {
            return $"addresses and size must be multiples of {Limits.PageSize}, and the size not 0";
        }

        if (!arena.TryGetOffset(physicalAddress, out var offset))
        {
            return ArenaAddress.Unknown;
        }

        lock (_lock)
        {
            if (FindHolder(offset, size) is not ({ } holder, { } shared))
            {
                return "that is not inside an object that a live instance of the device holds";
            }

            if (_mappings.Exists(mapping => Overlaps(mapping, offset, size)))
            {
                return "something is mapped there already";
            }

            if (!shared.TryUse())
            {
                return "the object was freed just now";
            }

            HashSet<ulong> owners = [holder.Handle, .. _instances.Values.Where(instance => instance.TryGetReference(shared.ShmId, out _)).Select(instance => instance.Handle)];
            try
            {
                _mappings.EnsureCapacity(_mappings.Count + 1); // nothing may fail once the pages are replaced
                var pages = platform.Replace(hostPointer, size, offset);
                _mappings.Add(new Mapping(physicalAddress, offset, size, shared, owners, pages));
                return null;
            }
            catch
            {
                objects.Release(shared);
                throw;
            }
        }
    }

    private string? TryUnmap(ulong physicalAddress, ulong size)
    {
        lock (_lock)
        {
            return FindMapping(physicalAddress, size) is { } mapping
                ? End(mapping)
                : "nothing was mapped so";
        }
    }

    private Mapping? FindMapping(ulong physicalAddress, ulong size) =>
        _mappings.Find(mapping => mapping.PhysicalAddress == physicalAddress && mapping.Size == size);

    private string? End(Mapping mapping)
    {
        var restored = mapping.Pages.Restore();
        _mappings.Remove(mapping);
        if (!restored && mapping.Pages.AreShownElsewhere())
        {
            return "the plug-in has moved the memory without unmapping; the object's bytes are never used again";
        }

        objects.Release(mapping.Shared);
        return restored ? null : "the plug-in has put something else there without unmapping; that was left alone";
    }

    private (Instance? Holder, SharedObject? Shared) FindHolder(ulong offset, ulong size)
    {
        foreach (var instance in _instances.Values)
        {
            if (instance.FindReference(offset, size) is { } shared)
            {
                return (instance, shared);
            }
        }

        return default;
    }

    /// <param name="PhysicalAddress">Where it begins, as the guest sees it.</param>
    /// <param name="Offset">Where it begins in the arena, in bytes.</param>
    /// <param name="Size">In bytes.</param>
    /// <param name="Shared">The object, which it uses.</param>
    /// <param name="Owners">
    /// Those who held the object when it was mapped, and those who took it over. The library knows which of them mapped it, so
    /// the end of each is its end when nobody holds the object.
    /// </param>
    /// <param name="Pages">The library's memory.</param>
    private sealed record Mapping(ulong PhysicalAddress, ulong Offset, ulong Size, SharedObject Shared, HashSet<ulong> Owners, IPluginPages Pages)
    {
        /// <summary>No instance is left that it could wait for.</summary>
        public bool MustEnd { get; set; }

        public bool IsHeldBy(Instance instance) => instance.TryGetReference(Shared.ShmId, out _);
    }
}
