// Front-ends that wait for their turn.
using Virtio.Linux;

namespace VirtioUser.Daemon;

/// <summary>
/// Accepts connections at once, and keeps them until it is their turn. They are not left in the queue of the listening
/// socket: what is sent there is kept by the kernel, and if it is an end of the connection that is being served, that never
/// ends, even when all its processes have.
/// </summary>
/// <remarks>
/// A front-end that waits has sent no descriptors before its first answer. One that has, or that hangs up, is closed; so is
/// every one for whom there is no room.
/// </remarks>
internal sealed class WaitingRoom : IDisposable
{
    /// <summary>How many front-ends can wait.</summary>
    public const int Capacity = 16;

    // More than a socket takes unless its sender has enlarged it: whoever waits may have sent so much, but nothing unseen.
    private const int MaximumBytes = 256 << 10;

    private const ulong ListenerToken = 0, CancelToken = 1;

    // How long to wait where the system has no descriptor or memory for a connection.
    private const int RetryMilliseconds = 100;

    private readonly UnixSocket _listener;
    private readonly EventFd _cancel = EventFd.Create();
    private readonly EventPoll _poll = new();
    private readonly Thread _thread;
    private readonly object _lock = new();
    private readonly byte[] _scratch = new byte[MaximumBytes + 1];

    // All of these under the lock.
    private readonly LinkedList<(ulong Token, UnixSocket Socket)> _waiting = [];
    private LinuxException? _failure;
    private bool _cancelled, _failed;
    private ulong _lastToken = CancelToken;

    // Only the thread touches this.
    private bool _exhausted;

    /// <summary>Starts to accept.</summary>
    /// <param name="listener">The listening socket; stays the caller's, who disposes of it after this.</param>
    /// <exception cref="LinuxException">No descriptor is left.</exception>
    public WaitingRoom(UnixSocket listener)
    {
        _listener = listener;
        _poll.Add(listener.Descriptor, ListenerToken);
        _poll.Add(_cancel.Descriptor, CancelToken);
        _thread = new Thread(Main) { IsBackground = true, Name = "vhost-user waiting" };
        _thread.Start();
    }

    /// <summary>Is told, on another thread, why somebody who waited was turned away.</summary>
    public Action<string>? TurnedAway { get; set; }

    /// <summary>Is told, on another thread, that nobody can be accepted since no descriptor or memory is left; once until somebody can.</summary>
    public Action? Exhausted { get; set; }

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
    /// <returns>The connection, the caller's; null after <see cref="Cancel"/>.</returns>
    /// <exception cref="LinuxException">Nobody can come any more.</exception>
    public UnixSocket? Take()
    {
        lock (_lock)
        {
            if (WaitForFirst() is not { } first)
            {
                return null;
            }

            _waiting.RemoveFirst();
            _poll.Remove(first.Value.Socket.Descriptor);
            return first.Value.Socket;
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
        foreach (var (_, socket) in _waiting)
        {
            socket.Discard();
        }

        _waiting.Clear();
        _poll.Dispose();
        _cancel.Dispose();
    }

    /// <summary>Under the lock.</summary>
    private LinkedListNode<(ulong Token, UnixSocket Socket)>? WaitForFirst()
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
                    if (token == ListenerToken)
                    {
                        AdmitAll();
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

    private void AdmitAll()
    {
        bool exhausted;
        while (_listener.TryAccept(out exhausted) is { } connection)
        {
            _exhausted = false;
            Admit(connection);
        }

        if (exhausted)
        {
            if (!_exhausted)
            {
                _exhausted = true;
                Exhausted?.Invoke();
            }

            _cancel.Wait(RetryMilliseconds);
        }
    }

    private void Admit(UnixSocket connection)
    {
        lock (_lock)
        {
            if (_waiting.Count == Capacity)
            {
                RemoveEnded();
            }

            if (_waiting.Count < Capacity)
            {
                // Edge-triggered: what it has said stays there to be received.
                _poll.Add(connection.Descriptor, ++_lastToken, edgeTriggered: true);
                _waiting.AddLast((_lastToken, connection));
                Monitor.PulseAll(_lock);
                return;
            }
        }

        connection.Discard();
        TurnedAway?.Invoke($"{Capacity} others wait already");
    }

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

            socket = node.Value.Socket;
            _waiting.Remove(node);
        }

        socket.Discard();
        if (reason is not null)
        {
            TurnedAway?.Invoke(reason);
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
