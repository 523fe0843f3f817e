// Front-ends that wait to be served.
using Virtio.Linux;

namespace VirtioUser.Daemon;

/// <summary>
/// Accepts connections of all listeners at once, and keeps them until there is a place for them. They are not left in the queue of
/// a listening socket: what is sent there is kept by the kernel, and if it is an end of a connection that is being served, that
/// never ends, even when all its processes have.
/// </summary>
/// <remarks>
/// A front-end that waits has sent no descriptors before its first answer. One that has, or that hangs up, is closed; so is
/// every one for whom there is no room. Each listener has its own room, so that one cannot be filled by who may only connect to another.
/// </remarks>
internal sealed class WaitingRoom : IDisposable
{
    /// <summary>How many front-ends can wait at each listener.</summary>
    public const int Capacity = 16;

    // More than a socket takes unless its sender has enlarged it: whoever waits may have sent so much, but nothing unseen.
    private const int MaximumBytes = 256 << 10;

    // Connections accepted at a stretch, so that a flood at one listener does not keep the thread from the others.
    private const int AcceptedAtOnce = 16;

    // A listener's token is its index.
    private const ulong CancelToken = ulong.MaxValue;

    // How long to wait where the system has no descriptor or memory for a connection.
    private const int RetryMilliseconds = 100;

    private readonly IReadOnlyList<Listener> _listeners;
    private readonly EventFd _cancel = EventFd.Create();
    private readonly EventPoll _poll = new();
    private readonly Thread _thread;
    private readonly object _lock = new();
    private readonly byte[] _scratch = new byte[MaximumBytes + 1];

    // All of these under the lock.
    private readonly LinkedList<(ulong Token, Listener Listener, UnixSocket Socket)> _waiting = [];
    private LinuxException? _failure;
    private bool _cancelled, _failed;
    private ulong _lastToken;

    // Only the thread touches this.
    private bool _exhausted;

    /// <summary>Starts to accept.</summary>
    /// <param name="listeners">They stay the caller's, who disposes of them after this.</param>
    /// <exception cref="LinuxException">No descriptor is left.</exception>
    public WaitingRoom(IReadOnlyList<Listener> listeners)
    {
        _listeners = listeners;
        for (; _lastToken < (ulong)listeners.Count; _lastToken++)
        {
            _poll.Add(listeners[(int)_lastToken].Socket.Descriptor, _lastToken);
        }

        _poll.Add(_cancel.Descriptor, CancelToken);
        _thread = new Thread(Main) { IsBackground = true, Name = "vhost-user waiting" };
        _thread.Start();
    }

    /// <summary>
    /// Serves somebody without a wait, on another thread, if there is a place; takes over the connection then. Asked only while nobody waits,
    /// so that nobody is overtaken.
    /// </summary>
    public Func<Listener, UnixSocket, bool>? Serve { get; set; }

    /// <summary>Is told, on another thread, why somebody who waited was turned away.</summary>
    public Action<Listener, string>? TurnedAway { get; set; }

    /// <summary>Is told, on another thread, that nobody can be accepted since no descriptor or memory is left; once until somebody can.</summary>
    public Action<Listener>? Exhausted { get; set; }

    /// <summary>Whether somebody waits.</summary>
    public bool HasNext
    {
        get
        {
            lock (_lock)
            {
                return _waiting.Count > 0;
            }
        }
    }

    /// <summary>Waits until somebody waits.</summary>
    /// <returns>False after <see cref="Cancel"/>.</returns>
    /// <exception cref="LinuxException">Nobody can come any more.</exception>
    public bool WaitForNext()
    {
        lock (_lock)
        {
            return WaitForFirst() is not null;
        }
    }

    /// <summary>Waits for the one who has waited longest.</summary>
    /// <returns>The connection, the caller's, and where it came; null after <see cref="Cancel"/>.</returns>
    /// <exception cref="LinuxException">Nobody can come any more.</exception>
    public (Listener Listener, UnixSocket Socket)? Take()
    {
        lock (_lock)
        {
            if (WaitForFirst() is not { } first)
            {
                return null;
            }

            _waiting.RemoveFirst();
            _poll.Remove(first.Value.Socket.Descriptor);
            return (first.Value.Listener, first.Value.Socket);
        }
    }

    /// <summary>Ends every wait. Any thread.</summary>
    public void Cancel()
    {
        lock (_lock)
        {
            _cancelled = true;
            Monitor.PulseAll(_lock);
        }

        _cancel.Signal();
    }

    /// <summary>Sends everybody away.</summary>
    public void Dispose()
    {
        Cancel();
        _thread.Join();
        foreach (var waiting in _waiting)
        {
            waiting.Socket.Discard();
        }

        _waiting.Clear();
        _poll.Dispose();
        _cancel.Dispose();
    }

    /// <summary>Under the lock.</summary>
    private LinkedListNode<(ulong Token, Listener Listener, UnixSocket Socket)>? WaitForFirst()
    {
        while (!_cancelled && !_failed && _waiting.Count == 0)
        {
            Monitor.Wait(_lock);
        }

        return _cancelled ? null : _waiting.First ?? throw new LinuxException(_failure!.Operation, _failure.Errno);
    }

    private void Main()
    {
        var ready = new ReadyDescriptor[Capacity];
        try
        {
            while (!Volatile.Read(ref _cancelled))
            {
                var count = _poll.Wait(ready);
                foreach (var (token, events) in ready.AsSpan(0, count))
                {
                    if (token < (ulong)_listeners.Count)
                    {
                        AdmitAll(_listeners[(int)token]);
                    }
                    else if (token != CancelToken)
                    {
                        LookAt(token, events);
                    }
                }
            }
        }
        catch (LinuxException e)
        {
            lock (_lock)
            {
                (_failure, _failed) = (e, true);
                Monitor.PulseAll(_lock);
            }
        }
    }

    private void AdmitAll(Listener listener)
    {
        for (var i = 0; i < AcceptedAtOnce; i++)
        {
            if (listener.Socket.TryAccept(out var exhausted) is { } connection)
            {
                _exhausted = false;
                Admit(listener, connection);
                continue;
            }

            if (exhausted)
            {
                if (!_exhausted)
                {
                    _exhausted = true;
                    Exhausted?.Invoke(listener);
                }

                _cancel.Wait(RetryMilliseconds);
            }

            return;
        }
    }

    private void Admit(Listener listener, UnixSocket connection)
    {
        // Only this thread adds to those that wait.
        if (!HasNext && Serve?.Invoke(listener, connection) == true)
        {
            return;
        }

        lock (_lock)
        {
            if (CountAt(listener) == Capacity)
            {
                RemoveEnded();
            }

            if (CountAt(listener) < Capacity)
            {
                // Edge-triggered: what it has said stays there to be received.
                _poll.Add(connection.Descriptor, _lastToken, edgeTriggered: true);
                _waiting.AddLast((_lastToken++, listener, connection));
                Monitor.PulseAll(_lock);
                return;
            }
        }

        connection.Discard();
        TurnedAway?.Invoke(listener, $"{Capacity} others wait already");
    }

    /// <summary>Under the lock.</summary>
    private int CountAt(Listener listener) => _waiting.Count(each => each.Listener == listener);

    /// <summary>Makes room: who has left may not have been looked at yet. Under the lock.</summary>
    private void RemoveEnded()
    {
        for (var node = _waiting.First; node is not null;)
        {
            var next = node.Next;
            if (node.Value.Socket.HasEnded)
            {
                node.Value.Socket.Discard();
                _waiting.Remove(node);
            }

            node = next;
        }
    }

    private void LookAt(ulong token, PollEvents events)
    {
        string? reason;
        Listener listener;
        UnixSocket socket;
        lock (_lock)
        {
            var node = _waiting.First;
            while (node is not null && node.Value.Token != token)
            {
                node = node.Next;
            }

            // It may be its turn by now.
            if (node is null || !MustGo(node.Value.Socket, events, out reason))
            {
                return;
            }

            (_, listener, socket) = node.Value;
            _waiting.Remove(node);
        }

        socket.Discard();
        if (reason is not null)
        {
            TurnedAway?.Invoke(listener, reason);
        }
    }

    /// <summary>Whether one who waits is to be closed; the reason is null if he has left by himself.</summary>
    private bool MustGo(UnixSocket socket, PollEvents events, out string? reason)
    {
        reason = null;
        if ((events & PollEvents.HangUp) != 0)
        {
            return true;
        }

        try
        {
            var pending = socket.Pending;
            var (count, hasDescriptors) = socket.Peek(_scratch);
            reason = hasDescriptors ? "it sent descriptors before its turn"
                : count > MaximumBytes ? "it sent too much before its turn"
                : pending > (count ?? 0) ? "it sent out-of-band bytes before its turn" // which may have descriptors that nobody sees
                : null;
            return reason is not null || count == 0;
        }
        catch (LinuxException)
        {
            return true;
        }
    }
}
