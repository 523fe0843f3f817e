// Stream sockets that can carry descriptors (AF_UNIX, SCM_RIGHTS).
using System.Text;

namespace Virtio.Linux;

/// <summary>
/// A Unix stream socket, blocking. One thread may send while another receives; <see cref="Shutdown"/> may come from any
/// thread and ends both.
/// </summary>
public sealed unsafe class UnixSocket : IDisposable
{
    /// <summary>The most descriptors that one message can carry (<c>SCM_MAX_FD</c>).</summary>
    public const int MaximumDescriptors = 253;

    // Room for as many descriptors as the kernel ever delivers, so that none is cut off for want of room.
    const int ControlSize = 16 + (MaximumDescriptors * sizeof(int) + 7) / 8 * 8;
    const int SocketAddressSize = 110, PathOffset = 2, MaximumPath = SocketAddressSize - PathOffset - 1;

    // Set on a listening socket: the name in the file system goes away with the socket.
    readonly string? _path;

    UnixSocket(FileDescriptor descriptor, string? path = null)
    {
        Descriptor = descriptor;
        _path = path;
    }

    /// <summary>The descriptor, for polling and for passing on. Owned by this object.</summary>
    public FileDescriptor Descriptor { get; }

    /// <summary>Takes over a descriptor: an inherited one, or one that came in a message. It is made blocking.</summary>
    /// <param name="descriptor">The descriptor; owned by the result, and disposed if this throws.</param>
    /// <exception cref="ArgumentException">It is a socket of another kind.</exception>
    /// <exception cref="LinuxException">It is no socket (<see cref="Errno.ENOTSOCK"/>).</exception>
    public static UnixSocket FromDescriptor(FileDescriptor descriptor)
    {
        ArgumentNullException.ThrowIfNull(descriptor);
        try
        {
            if (GetOption(descriptor, Native.SO_DOMAIN) != Native.AF_UNIX || GetOption(descriptor, Native.SO_TYPE) != Native.SOCK_STREAM)
                throw new ArgumentException("The descriptor is not a Unix stream socket.", nameof(descriptor));
            descriptor.SetNonBlocking(false);
            return new UnixSocket(descriptor);
        }
        catch
        {
            descriptor.Dispose();
            throw;
        }
    }

    /// <summary>Whether the socket listens, rather than being connected.</summary>
    public bool IsListening => GetOption(Descriptor, Native.SO_ACCEPTCONN) != 0;

    /// <summary>Whether the connection has ended in both directions. What was sent before may still be there to be received.</summary>
    /// <exception cref="LinuxException">The socket is closed.</exception>
    public bool HasEnded => DescriptorPoll.Wait(Descriptor, PollEvents.None, 0, null) != PollEvents.None;

    /// <summary>
    /// How long <see cref="Receive"/> waits before it fails with <see cref="Errno.EAGAIN"/>; for ever if never set.
    /// </summary>
    /// <exception cref="LinuxException">The socket is closed, or the time is out of range.</exception>
    public TimeSpan ReceiveTimeout
    {
        set => SetTimeout(Descriptor, Native.SO_RCVTIMEO, value);
    }

    /// <summary>Makes two sockets that are connected to each other.</summary>
    /// <exception cref="LinuxException">No descriptor is left.</exception>
    public static (UnixSocket First, UnixSocket Second) Pair()
    {
        int* pair = stackalloc int[2];
        if (Native.SocketPair(Native.AF_UNIX, Native.SOCK_STREAM | Native.SOCK_CLOEXEC, 0, pair) < 0)
            LinuxException.ThrowLast("socketpair");
        return (new UnixSocket(new FileDescriptor(pair[0])), new UnixSocket(new FileDescriptor(pair[1])));
    }

    /// <summary>Listens on a path. A socket that a dead process left there is replaced.</summary>
    /// <param name="path">The path, at most 107 bytes in UTF-8. Removed when the socket is disposed.</param>
    /// <param name="mode">Who may connect: permission to write is what counts. Nobody else can in between.</param>
    /// <exception cref="ArgumentException">The path is empty or too long.</exception>
    /// <exception cref="LinuxException">Somebody listens there (<see cref="Errno.EADDRINUSE"/>), or the path cannot be made.</exception>
    public static UnixSocket Listen(string path, UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserWrite)
    {
        byte* address = stackalloc byte[SocketAddressSize];
        FillAddress(address, path);
        FileDescriptor socket = NewSocket();
        try
        {
            // On a socket without a name this sets the permissions that the name will get.
            if (Native.FChMod(socket, (uint)mode) < 0)
                LinuxException.ThrowLast("fchmod");
            if (Native.Bind(socket, address, SocketAddressSize) < 0)
            {
                Errno errno = LinuxException.LastErrno;
                if (errno != Errno.EADDRINUSE || !IsDead(path, address))
                    throw new LinuxException($"bind {path}", errno);
                File.Delete(path);
                if (Native.Bind(socket, address, SocketAddressSize) < 0)
                    LinuxException.ThrowLast($"bind {path}");
            }
            if (Native.Listen(socket, 1) < 0)
                LinuxException.ThrowLast($"listen {path}");
            return new UnixSocket(socket, path);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Connects to a socket that somebody listens on.</summary>
    /// <param name="path">Its path, at most 107 bytes in UTF-8.</param>
    /// <param name="patience">How long to wait where too many wait to be accepted, and in <see cref="Send"/> for the other
    /// side to read; null = for ever.</param>
    /// <exception cref="ArgumentException">The path is empty or too long.</exception>
    /// <exception cref="LinuxException">Nobody listens there, or patience is out (<see cref="Errno.EAGAIN"/>).</exception>
    public static UnixSocket Connect(string path, TimeSpan? patience = null)
    {
        byte* address = stackalloc byte[SocketAddressSize];
        FillAddress(address, path);
        FileDescriptor socket = NewSocket();
        try
        {
            if (patience is { } limit)
                SetTimeout(socket, Native.SO_SNDTIMEO, limit);
            while (Native.Connect(socket, address, SocketAddressSize) < 0)
            {
                if (LinuxException.LastErrno != Errno.EINTR)
                    LinuxException.ThrowLast($"connect {path}");
            }
        }
        catch
        {
            socket.Dispose();
            throw;
        }
        return new UnixSocket(socket);
    }

    /// <summary>Waits for a connection on a listening socket.</summary>
    /// <param name="cancel">Signalled by another thread to end the wait.</param>
    /// <returns>The connection; the caller owns it. Null if cancelled.</returns>
    /// <exception cref="LinuxException">The socket does not listen, or no descriptor is left.</exception>
    public UnixSocket? Accept(EventFd? cancel = null)
    {
        while (true)
        {
            if (DescriptorPoll.Wait(Descriptor, PollEvents.In, -1, cancel) == PollEvents.None)
                return null;
            int number = Native.Accept(Descriptor, null, null, Native.SOCK_CLOEXEC);
            if (number >= 0)
                return new UnixSocket(new FileDescriptor(number));
            if (LinuxException.LastErrno is not (Errno.EINTR or Errno.EAGAIN))
                LinuxException.ThrowLast("accept");
        }
    }

    /// <summary>Sends all bytes, with descriptors attached to the first of them. Blocks while the other side does not read.</summary>
    /// <param name="bytes">At least one byte.</param>
    /// <param name="descriptors">At most <see cref="MaximumDescriptors"/>; they stay the caller's.</param>
    /// <exception cref="ArgumentException">No byte, or too many descriptors.</exception>
    /// <exception cref="LinuxException">The other side is gone (<see cref="Errno.EPIPE"/>, <see cref="Errno.ECONNRESET"/>), or
    /// does not read for longer than the patience of <see cref="Connect"/> (<see cref="Errno.EAGAIN"/>).</exception>
    public void Send(ReadOnlySpan<byte> bytes, ReadOnlySpan<FileDescriptor> descriptors = default)
    {
        if (bytes.IsEmpty)
            throw new ArgumentException("There must be at least one byte.", nameof(bytes));
        if (descriptors.Length > MaximumDescriptors)
            throw new ArgumentException($"At most {MaximumDescriptors} descriptors can be sent at once.", nameof(descriptors));
        int held = 0;
        byte* control = stackalloc byte[ControlSize];
        try
        {
            for (; held < descriptors.Length; held++)
            {
                bool added = false;
                descriptors[held].DangerousAddRef(ref added);
                ((int*)(control + sizeof(Native.ControlHeader)))[held] = (int)descriptors[held].DangerousGetHandle();
            }
            SendHeld(bytes, control, held);
        }
        finally
        {
            while (held > 0)
                descriptors[--held].DangerousRelease();
        }
    }

    /// <summary>Receives what is there, at most as much as fits; blocks while there is nothing.</summary>
    /// <param name="buffer">At least one byte.</param>
    /// <param name="descriptors">Cleared, then owns the descriptors that came with these bytes.</param>
    /// <returns>The number of bytes; 0 = the other side closed the connection.</returns>
    /// <exception cref="InvalidDataException">More descriptors came than the collection holds, or some were cut off
    /// because this process has no free descriptor. All of them are closed.</exception>
    /// <exception cref="LinuxException">The connection failed.</exception>
    public int Receive(Span<byte> buffer, ReceivedDescriptors descriptors)
    {
        ArgumentNullException.ThrowIfNull(descriptors);
        if (buffer.IsEmpty)
            throw new ArgumentException("There must be room for at least one byte.", nameof(buffer));
        descriptors.Clear();
        byte* control = stackalloc byte[ControlSize];
        fixed (byte* start = buffer)
        {
            var vector = new Native.IoVec { Base = start, Length = (nuint)buffer.Length };
            Native.MessageHeader message = default;
            message.Vectors = &vector;
            message.VectorCount = 1;
            nint received;
            do
            {
                message.Control = control;
                message.ControlLength = ControlSize;
                received = Native.ReceiveMessage(Descriptor, &message, Native.MSG_CMSG_CLOEXEC);
            }
            while (received < 0 && LinuxException.LastErrno == Errno.EINTR);
            if (received < 0)
                LinuxException.ThrowLast("recvmsg");

            bool complete = TakeDescriptors(message, descriptors) && (message.Flags & Native.MSG_CTRUNC) == 0;
            if (!complete)
            {
                int limit = descriptors.Capacity;
                descriptors.Clear();
                throw new InvalidDataException($"A message carried more than {limit} descriptors, or more than this process may open.");
            }
            return (int)received;
        }
    }

    /// <summary>Ends the connection in both directions: a blocked <see cref="Receive"/> returns 0, the other side sees the end.</summary>
    public void Shutdown()
    {
        // Already shut down or never connected is just as well.
        if (Native.Shutdown(Descriptor, Native.SHUT_RDWR) < 0 && LinuxException.LastErrno != Errno.ENOTCONN)
            LinuxException.ThrowLast("shutdown");
    }

    /// <summary>Closes the socket; a listening one also removes its path.</summary>
    public void Dispose()
    {
        if (_path is not null && !Descriptor.IsClosed)
            File.Delete(_path);
        Descriptor.Dispose();
    }

    void SendHeld(ReadOnlySpan<byte> bytes, byte* control, int descriptorCount)
    {
        fixed (byte* start = bytes)
        {
            nuint sent = 0;
            while (sent < (nuint)bytes.Length)
            {
                var vector = new Native.IoVec { Base = start + sent, Length = (nuint)bytes.Length - sent };
                Native.MessageHeader message = default;
                message.Vectors = &vector;
                message.VectorCount = 1;
                if (descriptorCount > 0 && sent == 0)
                {
                    var header = (Native.ControlHeader*)control;
                    header->Length = (nuint)(sizeof(Native.ControlHeader) + descriptorCount * sizeof(int));
                    header->Level = Native.SOL_SOCKET;
                    header->Type = Native.SCM_RIGHTS;
                    message.Control = control;
                    message.ControlLength = (header->Length + 7) & ~(nuint)7;
                }
                nint count = Native.SendMessage(Descriptor, &message, Native.MSG_NOSIGNAL);
                if (count >= 0)
                    sent += (nuint)count;
                else if (LinuxException.LastErrno != Errno.EINTR)
                    LinuxException.ThrowLast("sendmsg");
            }
        }
    }

    /// <summary>Takes every descriptor out of the control data; false if one did not fit (it is closed then).</summary>
    static bool TakeDescriptors(in Native.MessageHeader message, ReceivedDescriptors descriptors)
    {
        bool all = true;
        var control = (byte*)message.Control;
        nuint left = message.ControlLength;
        while (left >= (nuint)sizeof(Native.ControlHeader))
        {
            var header = (Native.ControlHeader*)control;
            if (header->Length < (nuint)sizeof(Native.ControlHeader) || header->Length > left)
                break;
            if (header->Level == Native.SOL_SOCKET && header->Type == Native.SCM_RIGHTS)
            {
                int count = (int)(header->Length - (nuint)sizeof(Native.ControlHeader)) / sizeof(int);
                var numbers = (int*)(control + sizeof(Native.ControlHeader));
                for (int i = 0; i < count; i++)
                {
                    var descriptor = new FileDescriptor(numbers[i]);
                    if (!descriptors.TryAdd(descriptor))
                    {
                        descriptor.Dispose();
                        all = false;
                    }
                }
            }
            nuint step = Math.Min((header->Length + 7) & ~(nuint)7, left);
            control += step;
            left -= step;
        }
        return all;
    }

    /// <summary>Whether a path is a socket that nobody listens on any more.</summary>
    static bool IsDead(string path, byte* address)
    {
        // Connecting to a plain file is refused just as a dead socket is.
        Native.StatX status;
        if (Native.GetStatus(Native.AT_FDCWD, path, Native.AT_SYMLINK_NOFOLLOW, Native.STATX_TYPE, &status) < 0 ||
            (status.Mode & Native.S_IFMT) != Native.S_IFSOCK)
        {
            return false;
        }
        using FileDescriptor probe = NewSocket();
        // One that is alive and does not accept at the moment has a full queue; a blocking connect would wait for it.
        probe.SetNonBlocking(true);
        return Native.Connect(probe, address, SocketAddressSize) < 0 && LinuxException.LastErrno == Errno.ECONNREFUSED;
    }

    static void SetTimeout(FileDescriptor socket, int option, TimeSpan time)
    {
        // struct timeval: seconds and microseconds.
        long* value = stackalloc long[] { (long)time.TotalSeconds, time.Milliseconds * 1000L + time.Microseconds };
        if (Native.SetSocketOption(socket, Native.SOL_SOCKET, option, value, 2 * sizeof(long)) < 0)
            LinuxException.ThrowLast("setsockopt");
    }

    static int GetOption(FileDescriptor socket, int option)
    {
        int value;
        int length = sizeof(int);
        if (Native.GetSocketOption(socket, Native.SOL_SOCKET, option, &value, &length) < 0)
            LinuxException.ThrowLast("getsockopt");
        return value;
    }

    static FileDescriptor NewSocket()
    {
        int number = Native.Socket(Native.AF_UNIX, Native.SOCK_STREAM | Native.SOCK_CLOEXEC, 0);
        if (number < 0)
            LinuxException.ThrowLast("socket");
        return new FileDescriptor(number);
    }

    static void FillAddress(byte* address, string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Encoding.UTF8.GetByteCount(path) > MaximumPath || path.Contains('\0'))
            throw new ArgumentException($"A socket path has at most {MaximumPath} bytes and no zero byte: {path}", nameof(path));
        var span = new Span<byte>(address, SocketAddressSize);
        span.Clear();
        *(ushort*)address = Native.AF_UNIX;
        Encoding.UTF8.GetBytes(path, span[PathOffset..]);
    }
}
