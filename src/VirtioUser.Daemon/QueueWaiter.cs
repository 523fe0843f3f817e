// How the ping thread sleeps: on the kicks of two queues, and on a wake-up from inside.
using Virtio.Linux;
using VirtioUser.Host.Pings;

namespace VirtioUser.Daemon;

/// <summary>
/// One epoll set for the life of a VM; kick descriptors come and go with the queues. It is edge-triggered, so
/// that a wake-up is one system call: counts are never consumed. A count that its owner drives to the limit is
/// reported no more, which harms nobody but that VM; a descriptor that is added with a count is reported once. After
/// <see cref="Dispose"/> nothing waits: a callback may return long after its VM has gone.
/// </summary>
internal sealed class QueueWaiter : IQueueWaiter, IDisposable
{
    private readonly EventPoll _poll = new();
    private readonly EventFd?[] _kicks = new EventFd?[Protocol.Limits.QueueCount];

    /// <summary>Waits for a queue's kicks too. Any thread.</summary>
    /// <param name="index">The queue.</param>
    /// <param name="kick">Its descriptor; stays the caller's, who calls <see cref="Remove"/> before it goes.</param>
    public void Add(int index, EventFd kick)
    {
        _poll.Add(kick.Descriptor, (ulong)index, edgeTriggered: true);
        Volatile.Write(ref _kicks[index], kick);
    }

    /// <summary>Waits for a queue's kicks no more. Any thread.</summary>
    /// <param name="index">The queue; nothing happens if it was not added.</param>
    public void Remove(int index)
    {
        if (Interlocked.Exchange(ref _kicks[index], null) is { } kick)
        {
            _poll.Remove(kick.Descriptor);
        }
    }

    /// <inheritdoc/>
    public void Wait()
    {
        // Who woke us does not matter: whoever wakes looks at both queues.
        Span<ReadyDescriptor> ready = stackalloc ReadyDescriptor[Protocol.Limits.QueueCount];
        _poll.Wait(ready);
    }

    /// <inheritdoc/>
    public void Wake() => _poll.Wake();

    /// <inheritdoc/>
    public void Dispose() => _poll.Dispose();
}
