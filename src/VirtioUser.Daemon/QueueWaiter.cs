// How the ping thread sleeps: on the kicks of two queues, and on a wake-up from inside.
using Virtio.Linux;
using VirtioUser.Host.Pings;

namespace VirtioUser.Daemon;

/// <summary>One epoll set for the life of the daemon; kick descriptors come and go with the queues.</summary>
internal sealed class QueueWaiter : IQueueWaiter, IDisposable
{
    private const int WakeToken = Protocol.Limits.QueueCount;

    private readonly EventPoll _poll = new();
    private readonly EventFd _wake = EventFd.Create();
    private readonly EventFd?[] _kicks = new EventFd?[Protocol.Limits.QueueCount];

    /// <summary>Waits for nothing but <see cref="Wake"/> at first.</summary>
    public QueueWaiter() => _poll.Add(_wake.Descriptor, WakeToken);

    /// <summary>Waits for a queue's kicks too. Any thread.</summary>
    /// <param name="index">The queue.</param>
    /// <param name="kick">Its descriptor; stays the caller's, who calls <see cref="Remove"/> before it goes.</param>
    public void Add(int index, EventFd kick)
    {
        _poll.Add(kick.Descriptor, (ulong)index);
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
        Span<ReadyDescriptor> ready = stackalloc ReadyDescriptor[Protocol.Limits.QueueCount + 1];
        var count = _poll.Wait(ready);
        for (var i = 0; i < count; i++)
        {
            var token = (int)ready[i].Token;
            Consume(token == WakeToken ? _wake : Volatile.Read(ref _kicks[token]));
        }
    }

    /// <inheritdoc/>
    public void Wake() => _wake.Signal();

    /// <inheritdoc/>
    public void Dispose()
    {
        _poll.Dispose();
        _wake.Dispose();
    }

    private static void Consume(EventFd? descriptor)
    {
        try
        {
            descriptor?.TryConsume();
        }
        catch (ObjectDisposedException)
        {
            // The queue stopped after the kick was seen and before it was taken: there is nothing to do for it.
        }
    }
}
