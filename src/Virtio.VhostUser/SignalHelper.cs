// Signals in the place of a thread that must never wait.
using Virtio.Linux;

namespace Virtio.VhostUser;

/// <summary>
/// One thread for each connection, there while it is needed, that signals the front-end's descriptors for the connection's
/// own thread. A descriptor that blocks it is that front-end's doing, and is emptied before anybody waits for it
/// (<see cref="CallSignal.Mute"/>).
/// </summary>
internal sealed class SignalHelper : IDisposable
{
    // Signals of a start come together; between starts no thread is kept.
    private static readonly TimeSpan IdleTime = TimeSpan.FromSeconds(1);

    private readonly object _lock = new();

    // Both under the lock. Each signal is in there at most once.
    private readonly Queue<CallSignal> _due = [];
    private bool _runs, _closed;

    private int _owner;

    /// <summary>Whether the calling thread is the one that must not signal.</summary>
    internal bool IsOwner => Environment.CurrentManagedThreadId == Volatile.Read(ref _owner);

    /// <summary>From now on the calling thread does not signal itself.</summary>
    internal void Own() => Volatile.Write(ref _owner, Environment.CurrentManagedThreadId);

    /// <summary>Has a descriptor signalled soon. Any thread; does not wait.</summary>
    internal void Post(CallSignal signal)
    {
        lock (_lock)
        {
            if (_closed || _due.Contains(signal))
            {
                return;
            }

            _due.Enqueue(signal);
            if (_runs)
            {
                Monitor.Pulse(_lock);
                return;
            }

            _runs = true;
        }

        try
        {
            new Thread(Run) { IsBackground = true, Name = "vhost-user calls" }.Start();
        }
        catch (OutOfMemoryException)
        {
            // The system has no thread left. The pool may have one, or will.
            ThreadPool.UnsafeQueueUserWorkItem(static helper => helper.Drain(), this, preferLocal: false);
        }
    }

    /// <summary>Signals nothing any more. The thread ends by itself, as soon as no descriptor holds it.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _closed = true;
            _due.Clear();
            Monitor.Pulse(_lock);
        }
    }

    private void Run()
    {
        while (TryTake(wait: true, out var signal))
        {
            SignalNow(signal);
        }
    }

    private void Drain()
    {
        while (TryTake(wait: false, out var signal))
        {
            SignalNow(signal);
        }
    }

    private bool TryTake(bool wait, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out CallSignal? signal)
    {
        lock (_lock)
        {
            while (wait && !_closed && _due.Count == 0 && Monitor.Wait(_lock, IdleTime))
            {
                // Pulsed, perhaps for what another has taken.
            }

            if (!_closed && _due.TryDequeue(out signal))
            {
                return true;
            }

            (signal, _runs) = (null, false);
            return false;
        }
    }

    private static void SignalNow(CallSignal signal)
    {
        try
        {
            signal.SignalNow();
        }
        catch (LinuxException)
        {
            // The front-end gave a descriptor that cannot be written: nobody hears from it.
        }
    }
}
