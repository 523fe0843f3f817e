// The kicks of one VM that workers wait for.
using Virtio.Linux;
using VirtioUser.Host.Workers;

namespace VirtioUser.Daemon;

/// <summary>Which kick descriptors of a VM are in the set of all. For one thread at a time.</summary>
/// <param name="waiter">The set.</param>
/// <param name="work">What each kick is for.</param>
internal sealed class VmKicks(KickWaiter waiter, IWork work)
{
    private readonly (ulong Token, EventFd? Kick)[] _kicks = new (ulong, EventFd?)[Protocol.Limits.QueueCount];

    /// <summary>Waits for a queue's kicks too.</summary>
    /// <param name="index">The queue.</param>
    /// <param name="kick">Its descriptor; stays the caller's, who calls <see cref="Remove"/> before it goes.</param>
    public void Add(int index, EventFd kick) => _kicks[index] = (waiter.Add(work, kick), kick);

    /// <summary>Waits for a queue's kicks no more.</summary>
    /// <param name="index">The queue; nothing happens if it was not added.</param>
    public void Remove(int index)
    {
        if (_kicks[index] is (var token, { } kick))
        {
            _kicks[index] = default;
            waiter.Remove(token, kick);
        }
    }
}
