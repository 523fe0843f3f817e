// All shared-memory objects of a host.
using VirtioUser.Protocol;

namespace VirtioUser.Host.Memory;

/// <summary>
/// Makes, shares and ends objects. Called for config requests and when an object's last user is done: rare
/// enough for a lock. The ping path only uses <see cref="SharedObject.TryUse"/> and <see cref="Release"/>.
/// </summary>
internal sealed class ObjectTable(IArenaMemory arena, HostCounters counters, GuestLog guestLog)
{
    /// <summary>The most objects at a time.</summary>
    public const int MaxObjects = 65536;

    /// <summary>The most references of instances to objects at a time.</summary>
    public const int MaxReferences = 131072;

    // The most that is overwritten when it cannot be given back: that takes memory where there was none.
    private const ulong MaxOverwritten = 1UL << 30;
    private const int Step = 1 << 24;

    private readonly Lock _lock = new();
    private readonly Dictionary<ulong, SharedObject> _objects = [];
    private readonly RangeAllocator _ranges = new(arena.Length);

    // Ranges that could not be given back: never given out again. The guest sees them like all of the arena, and can write there.
    private readonly List<(ulong Offset, ulong Size)> _unusable = [];
    private readonly UseCount _inUse = new();
    private ulong _lastShmId;

    // Objects until their range is given back, those that can not be given back too.
    private int _objectCount;
    private int _referenceCount;

    /// <summary>How many objects there are, with those whose last reference is gone and whose bytes are in use.</summary>
    public int ObjectCount => Volatile.Read(ref _objectCount);

    /// <summary>How many references there are.</summary>
    public int ReferenceCount => Volatile.Read(ref _referenceCount);

    /// <summary>Complete when nobody can reach the bytes of any object.</summary>
    public Task WhenNoneIsUsedAsync() => _inUse.WhenNoneAsync();

    /// <summary>A device has a view of bytes, which can outlive the hold. Keeps the arena, but not the object's range.</summary>
    public void BeginView() => _inUse.Add();

    /// <summary>The device has given the view back, or can not use it any more.</summary>
    public void EndView() => _inUse.Remove();

    /// <summary>Makes an object that is all zero, with one reference.</summary>
    /// <param name="size">In bytes; rounded up to the alignment.</param>
    /// <param name="alignment">In bytes, of offset and size: a power of two, at least 4096.</param>
    /// <param name="reason">Why there is none.</param>
    /// <returns>Null when the size is 0 or there is no room.</returns>
    public SharedObject? Allocate(ulong size, ulong alignment, out string reason)
    {
        reason = "";
        if (size == 0 || size > arena.Length)
        {
            reason = $"{size} bytes are no size in a region of {arena.Length}";
            return null;
        }

        size = (size + alignment - 1) & ~(alignment - 1);

        // Guest and host map such an object with huge pages, wherever they can.
        var placed = size >= Limits.HugePageSize ? Math.Max(alignment, Limits.HugePageSize) : alignment;
        lock (_lock)
        {
            if (_objectCount == MaxObjects || _referenceCount == MaxReferences)
            {
                reason = $"there are {_objectCount} objects and {_referenceCount} references";
                return null;
            }

            if (!_ranges.TryTake(size, out var offset, placed))
            {
                reason = $"no room: {_ranges.TotalFree} bytes are free, {_ranges.LongestFree} in one piece";
                return null;
            }

            var made = new SharedObject(++_lastShmId, offset, size);
            _objectCount++;
            AddReference(made);
            _objects.Add(made.ShmId, made);
            _inUse.Add();
            counters.Add(Counter.ObjectsAllocated);
            counters.Add(Counter.BytesAllocated, (long)size);
            return made;
        }
    }

    /// <summary>Lets other instances import an object.</summary>
    public void Export(SharedObject shared)
    {
        lock (_lock)
        {
            shared.Exported = true;
        }
    }

    /// <summary>Takes a reference to an exported object.</summary>
    /// <param name="shmId">The object.</param>
    /// <returns>Null when there is no such object, or it was not exported.</returns>
    public SharedObject? Import(ulong shmId)
    {
        lock (_lock)
        {
            if (!_objects.TryGetValue(shmId, out var shared) || !shared.Exported || _referenceCount == MaxReferences)
            {
                return null;
            }

            AddReference(shared);
            return shared;
        }
    }

    /// <summary>Drops an instance's reference; with the last one the object goes.</summary>
    public void Drop(SharedObject shared)
    {
        lock (_lock)
        {
            _referenceCount--;
            if (--shared.References > 0)
            {
                return;
            }

            _objects.Remove(shared.ShmId);
        }

        Release(shared);
    }

    /// <summary>Ends one use of an object's bytes; the last one gives the range back.</summary>
    public void Release(SharedObject shared)
    {
        if (!shared.Release())
        {
            return;
        }

        // Nobody can reach the range now: the pages can be given back outside the lock, before others get it.
        if (TryDiscard(shared.Offset, shared.Size))
        {
            lock (_lock)
            {
                _objectCount--;
                _ranges.Return(shared.Offset, shared.Size);
            }

            counters.Add(Counter.ObjectsFreed);
            counters.Add(Counter.BytesFreed, (long)shared.Size);
        }
        else
        {
            Overwrite(shared.Offset, shared.Size);
            lock (_lock)
            {
                _unusable.Add((shared.Offset, shared.Size));
            }
        }

        _inUse.Remove();
    }

    /// <summary>Gives back what a guest has written outside of any object: the next guest must not see it.</summary>
    public void DiscardFree()
    {
        lock (_lock)
        {
            foreach (var (start, size) in _unusable)
            {
                if (!TryDiscard(start, size))
                {
                    Overwrite(start, size);
                }
            }

            foreach (var (start, size) in _ranges.Free.ToList())
            {
                if (!TryDiscard(start, size))
                {
                    Overwrite(start, size);
                    _ranges.Withdraw(start, size);
                    _unusable.Add((start, size));
                }
            }
        }
    }

    private bool TryDiscard(ulong offset, ulong size)
    {
        try
        {
            arena.Discard(offset, size);
            return true;
        }
#pragma warning disable CA1031 // whatever it was, others must not see these bytes, and it is no reason to end the daemon
        catch (Exception e)
#pragma warning restore CA1031
        {
            if (guestLog.Allows(out var log))
            {
                Log.DiscardFailed(log, offset, size, e);
            }

            return false;
        }
    }

    /// <summary>Writes zeros where pages could not be given back: another driver sees the same arena.</summary>
    private void Overwrite(ulong offset, ulong size)
    {
        try
        {
            if (size > MaxOverwritten)
            {
                throw new IOException($"That is more than the {MaxOverwritten} bytes that are overwritten.");
            }

            for (ulong done = 0; done < size; done += Step)
            {
                arena.GetSpan(offset + done, (int)Math.Min(Step, size - done)).Clear();
            }
        }
#pragma warning disable CA1031 // as above
        catch (Exception e)
#pragma warning restore CA1031
        {
            if (guestLog.Allows(out var log))
            {
                Log.NotEmptied(log, offset, size, e);
            }
        }
    }

    private void AddReference(SharedObject shared)
    {
        _referenceCount++;
        shared.References++;
    }
}
