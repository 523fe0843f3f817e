// Waiting for many descriptors at once (epoll).
using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Virtio.Linux;

/// <summary>
/// Waits for any of a set of descriptors. All members may be called from any thread, also while others wait.
/// <see cref="Wait"/> and <see cref="Wake"/> allocate nothing.
/// </summary>
public sealed unsafe class EventPoll : IDisposable
{
    private const int MaximumPerWait = 64;

    // struct epoll_event is packed on x86-64 and nowhere else.
    private static readonly int EventSize = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;
    private static readonly int DataOffset = EventSize - sizeof(ulong);

    // Reported to nobody: only the wait ends.
    private const ulong WakeToken = ulong.MaxValue;

    private readonly Lock _lock = new();
    private readonly FileDescriptor _poll;
    private readonly EventFd _wake = EventFd.Create();

    // Both under the lock. What wakes a thread that is about to wait must stay open until it has been woken.
    private int _waiting;
    private bool _closed;

    /// <summary>Makes an empty set.</summary>
    /// <exception cref="LinuxException">No descriptor is left.</exception>
    public EventPoll()
    {
        var number = Native.EPollCreate(Native.EPOLL_CLOEXEC);
        if (number < 0)
        {
            var error = LinuxException.LastErrno;
            _wake.Dispose();
            throw new LinuxException("epoll_create1", error);
        }

        _poll = new FileDescriptor(number);
        Add(_wake.Descriptor, WakeToken, edgeTriggered: true);
    }

    /// <summary>Adds a descriptor. It must be removed, or closed with all its duplicates, to leave the set.</summary>
    /// <param name="descriptor">The descriptor; stays the caller's.</param>
    /// <param name="token">What <see cref="Wait"/> reports for it; not <see cref="ulong.MaxValue"/>.</param>
    /// <param name="events">What to wait for.</param>
    /// <param name="edgeTriggered">Whether to report the descriptor once when it is ready now, and then once after each
    /// time that something happens on it, instead of as long as it is ready. An eventfd that is only waited for never has
    /// to be consumed then: each signal is reported, several between two waits as one.</param>
    /// <exception cref="LinuxException">It is in the set already (<see cref="Errno.EEXIST"/>), or cannot be polled
    /// (<see cref="Errno.EPERM"/>).</exception>
    public void Add(FileDescriptor descriptor, ulong token, PollEvents events = PollEvents.In, bool edgeTriggered = false)
    {
        var added = stackalloc byte[EventSize];
        BinaryPrimitives.WriteUInt64LittleEndian(new Span<byte>(added + DataOffset, sizeof(ulong)), token);
        *(uint*)added = (uint)events | (edgeTriggered ? Native.EPOLLET : 0);
        if (Native.EPollControl(_poll, Native.EPOLL_CTL_ADD, descriptor, added) < 0)
        {
            LinuxException.ThrowLast("epoll_ctl EPOLL_CTL_ADD");
        }
    }

    /// <summary>Takes a descriptor out. An event that another thread's <see cref="Wait"/> already has is still reported there.</summary>
    /// <exception cref="LinuxException">It is not in the set (<see cref="Errno.ENOENT"/>).</exception>
    public void Remove(FileDescriptor descriptor)
    {
        var ignored = stackalloc byte[EventSize];
        if (Native.EPollControl(_poll, Native.EPOLL_CTL_DEL, descriptor, ignored) < 0)
        {
            LinuxException.ThrowLast("epoll_ctl EPOLL_CTL_DEL");
        }
    }

    /// <summary>Waits until something happens on a descriptor of the set.</summary>
    /// <param name="ready">Receives the token and events of each descriptor that is ready; what does not fit is reported next time.</param>
    /// <param name="timeoutMilliseconds">How long to wait; -1 = for ever, 0 = only look.</param>
    /// <returns>How many were written to <paramref name="ready"/>; 0 after <see cref="Wake"/>, after <see cref="Dispose"/>, or if
    /// the time ran out.</returns>
    /// <exception cref="ArgumentException"><paramref name="ready"/> is empty.</exception>
    /// <exception cref="LinuxException">The wait failed.</exception>
    public int Wait(Span<ReadyDescriptor> ready, int timeoutMilliseconds = -1)
    {
        if (ready.IsEmpty)
        {
            throw new ArgumentException("There must be room for at least one event.", nameof(ready));
        }

        lock (_lock)
        {
            if (_closed)
            {
                return 0;
            }

            _waiting++;
        }

        try
        {
            return WaitNow(ready, timeoutMilliseconds);
        }
        finally
        {
            lock (_lock)
            {
                _waiting--;
                CloseIfLast();
            }
        }
    }

    /// <summary>
    /// Ends a wait: that of one thread that waits now, or the next one. Several may end one wait. Nothing happens after <see cref="Dispose"/>.
    /// </summary>
    public void Wake()
    {
        lock (_lock)
        {
            if (!_closed)
            {
                _wake.Signal();
            }
        }
    }

    /// <summary>Ends every wait, for good, and closes the set; the descriptors in it stay open.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _closed = true;
            CloseIfLast();
        }
    }

    /// <summary>The last thread that waits closes; until then, each that leaves lets the next one go. Under the lock.</summary>
    private void CloseIfLast()
    {
        if (!_closed)
        {
            return;
        }

        if (_waiting > 0)
        {
            _wake.Signal();
            return;
        }

        _poll.Dispose();
        _wake.Dispose();
    }

    private int WaitNow(Span<ReadyDescriptor> ready, int timeoutMilliseconds)
    {
        var room = Math.Min(ready.Length, MaximumPerWait);
        var events = stackalloc byte[MaximumPerWait * 16];
        var deadline = timeoutMilliseconds < 0 ? 0 : Environment.TickCount64 + timeoutMilliseconds;
        int count;
        while ((count = Native.EPollWait(_poll, events, room, timeoutMilliseconds)) < 0)
        {
            if (LinuxException.LastErrno != Errno.EINTR)
            {
                LinuxException.ThrowLast("epoll_wait");
            }

            if (timeoutMilliseconds > 0)
            {
                timeoutMilliseconds = (int)Math.Max(0, deadline - Environment.TickCount64);
            }
        }

        var reported = 0;
        for (var i = 0; i < count; i++)
        {
            var one = events + i * EventSize;
            var token = BinaryPrimitives.ReadUInt64LittleEndian(new ReadOnlySpan<byte>(one + DataOffset, sizeof(ulong)));
            if (token != WakeToken)
            {
                ready[reported++] = new ReadyDescriptor(token, (PollEvents)(*(uint*)one));
            }
        }

        return reported;
    }
}
