// How idle workers sleep: on the kicks of all VMs.
using System.Collections.Concurrent;
using Virtio.Linux;
using VirtioUser.Host.Workers;

namespace VirtioUser.Daemon;

/// <summary>
/// One epoll set for the process; kick descriptors come and go with the queues. It is edge-triggered: each kick ends the wait of
/// one thread, and counts are never consumed, so that a wake-up is one system call. A count that its owner drives to the limit is
/// reported no more, which harms nobody but that VM; a descriptor that is added with a count is reported once.
/// </summary>
#pragma warning disable CA1001 // threads wait there as long as the process lives
internal sealed class KickWaiter : IWorkWaiter
#pragma warning restore CA1001
{
    private readonly EventPoll _poll = new();
    private readonly ConcurrentDictionary<ulong, IWork> _works = new();
    private ulong _lastToken;

    /// <summary>Waits for a queue's kicks too. Any thread.</summary>
    /// <param name="work">What each kick is for.</param>
    /// <param name="kick">The descriptor; stays the caller's, who calls <see cref="Remove"/> before it goes.</param>
    /// <returns>For <see cref="Remove"/>.</returns>
    /// <exception cref="LinuxException">No memory is left.</exception>
    public ulong Add(IWork work, EventFd kick)
    {
        var token = Interlocked.Increment(ref _lastToken);
        _works[token] = work;
        try
        {
            _poll.Add(kick.Descriptor, token, edgeTriggered: true);
        }
        catch
        {
            _works.TryRemove(token, out _);
            throw;
        }

        return token;
    }

    /// <summary>Waits for a queue's kicks no more. Any thread.</summary>
    public void Remove(ulong token, EventFd kick)
    {
        _poll.Remove(kick.Descriptor);
        _works.TryRemove(token, out _);
    }

    /// <inheritdoc/>
    public IWork? Wait()
    {
        // One at a time: the kernel wakes another thread for the next.
        Span<ReadyDescriptor> ready = stackalloc ReadyDescriptor[1];
        return _poll.Wait(ready) > 0 && _works.TryGetValue(ready[0].Token, out var work) ? work : null;
    }

    /// <inheritdoc/>
    public void Wake() => _poll.Wake();
}
