// What an instance's device keeps for longer than a ping.
namespace VirtioUser.Host.Memory;

/// <summary>
/// The holds of one instance, a bounded number. Each keeps its object's range from being given out again, whatever the guest
/// frees, until it is taken out or the device's code has heard of the end. Any thread; who takes a hold out has to
/// <see cref="ObjectTable.Release"/> its object.
/// </summary>
internal sealed class HoldList
{
    /// <summary>The most that an instance can keep; <c>virtio_user_plugin.h</c> tells it.</summary>
    public const int Bound = 64;

    private readonly Lock _lock = new();
    private readonly List<Hold> _holds = [];
    private bool _ended;

    /// <summary>Takes a range into use. The same one can be held more than once.</summary>
    /// <returns>Null, or why not.</returns>
    public string? TryAdd(Hold hold)
    {
        lock (_lock)
        {
            if (_ended)
            {
                return "the instance has ended";
            }

            if (_holds.Count == Bound)
            {
                return $"{Bound} are held for the instance already";
            }

            _holds.EnsureCapacity(_holds.Count + 1); // nothing may fail once the object is in use
            if (!hold.Shared.TryUse())
            {
                return "the object was freed just now";
            }

            _holds.Add(hold);
            return null;
        }
    }

    /// <summary>Takes out one of the holds of a range.</summary>
    /// <returns>The object, or null if none holds just this range.</returns>
    public SharedObject? Remove(ulong physicalAddress, ulong size)
    {
        lock (_lock)
        {
            var at = _holds.FindIndex(hold => hold.PhysicalAddress == physicalAddress && hold.Size == size);
            return at < 0 ? null : RemoveAt(at);
        }
    }

    /// <summary>Takes out a hold.</summary>
    /// <returns>False if somebody has done so already.</returns>
    public bool Remove(Hold hold)
    {
        lock (_lock)
        {
            var at = _holds.IndexOf(hold);
            return at >= 0 && RemoveAt(at) is not null;
        }
    }

    /// <summary>Takes out all holds, for good.</summary>
    public IReadOnlyList<Hold> End()
    {
        lock (_lock)
        {
            _ended = true;
            Hold[] left = [.. _holds];
            _holds.ForEach(hold => hold.Ended = true);
            _holds.Clear();
            return left;
        }
    }

    private SharedObject RemoveAt(int at)
    {
        var hold = _holds[at];
        hold.Ended = true;
        _holds.RemoveAt(at);
        return hold.Shared;
    }
}
