// One shared-memory object: a range of the arena that lives while somebody holds or uses it.
namespace VirtioUser.Host.Memory;

/// <summary>
/// Counts who keeps the range from being given out again: instances that have a reference, and callbacks
/// that work on the bytes at this moment. So a freed object's bytes stay its own until the last callback
/// that may still touch them has returned.
/// </summary>
internal sealed class SharedObject(ulong shmId, ulong offset, ulong size)
{
    private int _users = 1;

    /// <summary>Never 0, never used twice.</summary>
    public ulong ShmId { get; } = shmId;

    /// <summary>Where it begins in the arena, in bytes.</summary>
    public ulong Offset { get; } = offset;

    /// <summary>Its size in bytes, a multiple of 4096.</summary>
    public ulong Size { get; } = size;

    /// <summary>How many instances have a reference to it. Guarded by the table.</summary>
    public int References { get; set; }

    /// <summary>Whether others may import it. Guarded by the table.</summary>
    public bool Exported { get; set; }

    /// <summary>Keeps the range for the time of a callback. Any thread, no lock.</summary>
    /// <returns>False when the object is gone.</returns>
    public bool TryUse()
    {
        var seen = Volatile.Read(ref _users);
        while (seen > 0)
        {
            var was = Interlocked.CompareExchange(ref _users, seen + 1, seen);
            if (was == seen)
            {
                return true;
            }

            seen = was;
        }

        return false;
    }

    /// <summary>Undoes <see cref="TryUse"/>, or the object's own first count.</summary>
    /// <returns>True for the one who must give the range back.</returns>
    public bool Release() => Interlocked.Decrement(ref _users) == 0;
}
