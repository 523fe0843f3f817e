// All instances of a host.
using System.Collections.Concurrent;
using VirtioUser.Host.State;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Instances;

/// <summary>Finds an instance by its handle without a lock; making and removing one takes a lock.</summary>
internal sealed class InstanceTable(HostState state, int bound)
{
    private readonly Lock _lock = new();
    private readonly ConcurrentDictionary<ulong, Instance> _instances = new();
    private readonly SlotPool _slots = new(Math.Min(bound, HostState.MaxInstances));
    private readonly UseCount _live = new();

    /// <summary>The instances that a guest can reach.</summary>
    public IEnumerable<Instance> All => _instances.Values;

    /// <summary>Complete when none is left, not even one that is being made or ended.</summary>
    public Task WhenNoneAsync() => _live.WhenNoneAsync();

    /// <summary>Finds an instance. Any thread; allocates nothing.</summary>
    public bool TryGet(ulong handle, [System.Diagnostics.CodeAnalysis.MaybeNullWhen(false)] out Instance instance) =>
        _instances.TryGetValue(handle, out instance);

    /// <summary>Reserves a handle and a row. The instance can not be found yet.</summary>
    /// <returns>Null when there are too many.</returns>
    public Instance? Reserve(DeviceIdentity identity)
    {
        lock (_lock)
        {
            if (!_slots.TryRent(out var slot))
            {
                return null;
            }

            _live.Add();
            return new Instance(++state.Header.LastHandle, identity, slot);
        }
    }

    /// <summary>Lets the guest find the instance.</summary>
    public void Publish(Instance instance)
    {
        ref var row = ref state.Instances[instance.Slot];
        row = new InstanceRow { Vendor = instance.Identity.Vendor, Device = instance.Identity.Device, Version = instance.Identity.Version };
        Volatile.Write(ref row.Handle, instance.Handle);
        _instances[instance.Handle] = instance;
    }

    /// <summary>Hides the instance from the guest; its row stays until <see cref="Remove"/>.</summary>
    /// <returns>False if somebody else hid it before.</returns>
    public bool Hide(Instance instance) => _instances.TryRemove(new(instance.Handle, instance));

    /// <summary>Notes in the state that callbacks of the instance no longer run.</summary>
    public void NoteFailed(Instance instance) => state.Instances[instance.Slot].Failed = 1;

    /// <summary>The instance is no more, and holds nothing. Its row is cleared, and stays taken until <see cref="ReturnSlot"/>.</summary>
    public void Remove(Instance instance)
    {
        ref var row = ref state.Instances[instance.Slot];
        Volatile.Write(ref row.Handle, 0);
        row = default;
    }

    /// <summary>Nothing is done for an instance any more, not even counting it. Once for each that was reserved.</summary>
    public void NoteEnded() => _live.Remove();

    /// <summary>Lets another instance have the row: nothing of this one is left.</summary>
    public void ReturnSlot(Instance instance)
    {
        lock (_lock)
        {
            _slots.Return(instance.Slot);
        }
    }
}
