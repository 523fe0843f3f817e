// Stream sockets that can carry descriptors (AF_UNIX, SCM_RIGHTS).
using System.Text;

namespace Virtio.Linux;

/// <summary>
/// A Unix stream socket. One thread may send while another receives; <see cref="Shutdown"/> may come from any thread and
/// ends both. Waits do not depend on whether the descriptor is blocking: a peer that shares it can change that.
/// </summary>
public sealed unsafe partial class UnixSocket : IDisposable
{
    /// <summary>The most descriptors that one message can carry (<c>SCM_MAX_FD</c>).</summary>
    public const int MaximumDescriptors = 253;

    private const int SocketAddressSize = 110, PathOffset = 2, MaximumPath = SocketAddressSize - PathOffset - 1;

    // Set on a listening socket: the name in the file system goes away with the socket.
    private readonly SocketPath? _path;

    private TimeSpan _sendTimeout = Timeout.InfiniteTimeSpan, _receiveTimeout = Timeout.InfiniteTimeSpan;

    private int _discarded;

    private UnixSocket(FileDescriptor descriptor, SocketPath? path = null)
    {
        Descriptor = descriptor;
        _path = path;
    }

    /// <summary>The descriptor, for polling and for passing on. Owned by this object.</summary>
    public FileDescriptor Descriptor { get; }

    /// <summary>
    /// Takes over a descriptor: an inherited one, or one that came in a message. Programs that this process starts do not
    /// get it, whoever made it.
    /// </summary>
    /// <param name="descriptor">The descriptor; owned by the result, and disposed if this throws.</param>
    /// <exception cref="ArgumentException">It is a socket of another kind.</exception>
    /// <exception cref="LinuxException">It is no socket (<see cref="Errno.ENOTSOCK"/>).</exception>
    public static UnixSocket FromDescriptor(FileDescriptor descriptor)
    {
        ArgumentNullException.ThrowIfNull(descriptor);
        try
        {
            if (GetOption(descriptor, Native.SO_DOMAIN) != Native.AF_UNIX || GetOption(descriptor, Native.SO_TYPE) != Native.SOCK_STREAM)
            {
                throw new ArgumentException("The descriptor is not a Unix stream socket.", nameof(descriptor));
            }

            descriptor.SetCloseOnExec();
            ReceiveOutOfBandToo(descriptor);
            var socket = new UnixSocket(descriptor);
            // Another process that shares a listening socket may take the connection for which this one woke up.
            descriptor.SetNonBlocking(socket.IsListening);
            return socket;
        }
        catch
        {
            ForeignDescriptor.Close(descriptor);
            throw;
        }
    }

    /// <summary>Whether the socket listens, rather than being connected.</summary>
    public bool IsListening => GetOption(Descriptor, Native.SO_ACCEPTCONN) != 0;

    /// <summary>Whether the connection has ended in both directions. What was sent before may still be there to be received.</summary>
    /// <exception cref="LinuxException">The socket is closed.</exception>
    public bool HasEnded => DescriptorPoll.Wait(Descriptor, PollEvents.None, 0, null) != PollEvents.None;

    /// <summary>
    /// How long one receive waits before it fails with <see cref="Errno.EAGAIN"/>; for ever if never set. 0 does not wait.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The time is negative and not <see cref="Timeout.InfiniteTimeSpan"/>.</exception>
    public TimeSpan ReceiveTimeout
    {
        get => _receiveTimeout;
        set => _receiveTimeout = Check(value);
    }

    /// <summary>The same for one send: how long the other side may take to read.</summary>
    /// <inheritdoc cref="ReceiveTimeout"/>
    public TimeSpan SendTimeout
    {
        get => _sendTimeout;
        set => _sendTimeout = Check(value);
    }

    /// <summary>
    /// The name of this end, as the kernel compares names: all connections that a listener accepted have the listener's.
    /// Empty if it has none.
    /// </summary>
    /// <exception cref="LinuxException">The socket cannot be asked.</exception>
    public byte[] Name => GetName(peer: false);

    /// <summary>The name of the other end; empty if it has none.</summary>
    /// <exception cref="LinuxException">The socket is not connected (<see cref="Errno.ENOTCONN"/>).</exception>
    public byte[] PeerName => GetName(peer: true);

    /// <summary>Makes two sockets that are connected to each other.</summary>
    /// <exception cref="LinuxException">No descriptor is left.</exception>
    public static (UnixSocket First, UnixSocket Second) Pair()
    {
        var pair = stackalloc int[2];
        if (Native.SocketPair(Native.AF_UNIX, Native.SOCK_STREAM | Native.SOCK_CLOEXEC, 0, pair) < 0)
        {
            LinuxException.ThrowLast("socketpair");
        }

        return (new UnixSocket(new FileDescriptor(pair[0])), new UnixSocket(new FileDescriptor(pair[1])));
    }

    /// <summary>Connects to a socket that somebody listens on.</summary>
    /// <param name="path">Its path, at most 107 bytes in UTF-8.</param>
    /// <param name="patience">How long to wait where too many wait to be accepted; becomes the <see cref="SendTimeout"/>, too.
    /// Null = for ever, 0 = not at all.</param>
    /// <exception cref="ArgumentException">The path is empty or too long.</exception>
    /// <exception cref="LinuxException">Nobody listens there, or patience is out (<see cref="Errno.EAGAIN"/>).</exception>
    public static UnixSocket Connect(string path, TimeSpan? patience = null)
    {
        var timeout = Check(patience ?? Timeout.InfiniteTimeSpan);
        var address = stackalloc byte[SocketAddressSize];
        FillAddress(address, path);
        var socket = NewSocket();
        try
        {
            SetSendTimeout(socket, timeout);
            while (Native.Connect(socket, address, SocketAddressSize) < 0)
            {
                if (LinuxException.LastErrno != Errno.EINTR)
                {
                    LinuxException.ThrowLast($"connect {path}");
                }
            }
        }
        catch
        {
            socket.Dispose();
            throw;
        }
        return new UnixSocket(socket) { SendTimeout = timeout };
    }

    /// <summary>Ends the connection in both directions: a blocked receive returns 0, the other side sees the end.</summary>
    public void Shutdown()
    {
        // Already shut down or never connected is just as well.
        if (Native.Shutdown(Descriptor, Native.SHUT_RDWR) < 0 && LinuxException.LastErrno != Errno.ENOTCONN)
        {
            LinuxException.ThrowLast("shutdown");
        }
    }

    /// <summary>Gives this end a name that nothing else has, if it has none: so that the other end can be told from others.</summary>
    /// <exception cref="LinuxException">There is no memory left.</exception>
    public void EnsureName()
    {
        // An address without a name asks the kernel for one in the abstract name space.
        ushort family = Native.AF_UNIX;
        if (Name.Length == 0 && Native.Bind(Descriptor, (byte*)&family, sizeof(ushort)) < 0)
        {
            LinuxException.ThrowLast("bind");
        }
    }

    /// <summary>Waits until something can be received, or the connection has ended.</summary>
    /// <param name="cancel">Signalled by another thread to end the wait; its count stays as it is.</param>
    /// <returns>What happened; <see cref="PollEvents.None"/> if cancelled.</returns>
    /// <exception cref="LinuxException">The wait failed.</exception>
    public PollEvents WaitForInput(EventFd? cancel = null) => DescriptorPoll.Wait(Descriptor, PollEvents.In, -1, cancel);

    /// <summary>
    /// Whether all sockets of untrusted origin that this process gave up are closed: for who counts what is open. Any thread.
    /// </summary>
    public static bool AreDiscardedClosed => SocketCloser.IsIdle;

    /// <summary>
    /// Ends the connection for all who have this end, throws away what lies in it, and closes it soon. Does not wait, whatever the
    /// other side has put in there.
    /// </summary>
    public void Discard()
    {
        if (Interlocked.Exchange(ref _discarded, 1) == 0 && !Descriptor.IsClosed)
        {
            _ = Native.Shutdown(Descriptor, Native.SHUT_RDWR); // so that the other side sees the end now
            SocketCloser.Post(Descriptor);
        }
    }

    /// <summary>Closes the socket; a listening one also removes its path, if that is still its own.</summary>
    public void Dispose()
    {
        if (_discarded != 0)
        {
            return;
        }

        // Before the socket is closed: as long as it listens nobody else takes the path.
        if (!Descriptor.IsClosed)
        {
            _path?.Remove();
        }

        Descriptor.Dispose();
    }

    /// <summary>
    /// Has out-of-band bytes received as the others are. The kernel skips them else, and closes what came with them on the
    /// receiving thread.
    /// </summary>
    internal static void ReceiveOutOfBandToo(FileDescriptor descriptor)
    {
        var on = 1;
        _ = Native.SetSocketOption(descriptor, Native.SOL_SOCKET, Native.SO_OOBINLINE, &on, sizeof(int));
    }

    /// <summary>A socket for a moment; its descriptor stays the caller's.</summary>
    internal static UnixSocket Borrow(FileDescriptor descriptor) => new(descriptor);

    private static TimeSpan Check(TimeSpan time)
    {
        if (time != Timeout.InfiniteTimeSpan)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(time, TimeSpan.Zero);
        }

        return time;
    }

    /// <summary>Limits how long <c>connect</c> waits, for which there is nothing to poll.</summary>
    private static void SetSendTimeout(FileDescriptor socket, TimeSpan time)
    {
        if (time == Timeout.InfiniteTimeSpan)
        {
            return;
        }

        // struct timeval: seconds and microseconds. Zero would mean for ever.
        var microseconds = Math.Max(1, (long)Math.Ceiling(time.TotalMicroseconds));
        var value = stackalloc long[] { microseconds / 1_000_000, microseconds % 1_000_000 };
        if (Native.SetSocketOption(socket, Native.SOL_SOCKET, Native.SO_SNDTIMEO, value, 2 * sizeof(long)) < 0)
        {
            LinuxException.ThrowLast("setsockopt SO_SNDTIMEO");
        }
    }

    private byte[] GetName(bool peer)
    {
        var address = stackalloc byte[SocketAddressSize];
        uint length = SocketAddressSize;
        if ((peer ? Native.GetPeerName(Descriptor, address, &length) : Native.GetSocketName(Descriptor, address, &length)) < 0)
        {
            LinuxException.ThrowLast(peer ? "getpeername" : "getsockname");
        }

        return length <= PathOffset ? [] : new ReadOnlySpan<byte>(address + PathOffset, (int)Math.Min(length, SocketAddressSize) - PathOffset).ToArray();
    }

    private static int GetOption(FileDescriptor socket, int option)
    {
        int value;
        var length = sizeof(int);
        if (Native.GetSocketOption(socket, Native.SOL_SOCKET, option, &value, &length) < 0)
        {
            LinuxException.ThrowLast("getsockopt");
        }

        return value;
    }

    internal static FileDescriptor NewSocket()
    {
        var number = Native.Socket(Native.AF_UNIX, Native.SOCK_STREAM | Native.SOCK_CLOEXEC, 0);
        if (number < 0)
        {
            LinuxException.ThrowLast("socket");
        }

        return new FileDescriptor(number);
    }

    private static void FillAddress(byte* address, string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Encoding.UTF8.GetByteCount(path) > MaximumPath || path.Contains('\0'))
        {
            throw new ArgumentException($"A socket path has at most {MaximumPath} bytes and no zero byte: {path}", nameof(path));
        }

        var span = new Span<byte>(address, SocketAddressSize);
        span.Clear();
        *(ushort*)address = Native.AF_UNIX;
        Encoding.UTF8.GetBytes(path, span[PathOffset..]);
    }
}
