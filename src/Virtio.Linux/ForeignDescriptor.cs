// Closing what somebody else has made.
namespace Virtio.Linux;

/// <summary>
/// Closes descriptors that an untrusted process has sent. A plain close of the last descriptor can wait for hours: a TCP socket
/// can be told to linger until what it has to send is read, which may be never; and a Unix socket takes what is in flight in it
/// along. So sockets are closed on other threads (<see cref="SocketCloser"/>), and what makes them wait is undone first.
/// </summary>
internal static unsafe class ForeignDescriptor
{
    // Sockets in sockets in sockets.
    private const int MaximumDepth = 32;

    // Of a socket that is shut down: how often it may fail or have nothing before it counts as empty. Empty datagrams are nothing, too.
    private const int MaximumFailures = 1000;

    private const int BufferSize = 4096;

    /// <summary>Closes a descriptor; a Unix socket for all who have it. A socket whose closing takes long is left to another thread.</summary>
    /// <param name="descriptor">The descriptor; owned.</param>
    internal static void Close(FileDescriptor descriptor)
    {
        if (IsSocket(descriptor))
        {
            var closed = new CountdownEvent(2);
            SocketCloser.Post(descriptor, closed);
            SocketCloser.WaitBriefly(closed);
        }
        else
        {
            descriptor.Dispose();
        }
    }

    /// <summary>Whether closing it may wait.</summary>
    internal static bool IsSocket(FileDescriptor descriptor) => !descriptor.IsClosed && GetDomain(descriptor) is not null;

    /// <summary>Closes a descriptor on the calling thread, which nobody waits for.</summary>
    /// <param name="descriptor">The descriptor; owned.</param>
    /// <param name="depth">In how many sockets it was found, one in another.</param>
    internal static void CloseNow(FileDescriptor descriptor, int depth)
    {
        if (descriptor.IsClosed)
        {
            return;
        }

        if (GetDomain(descriptor) is { } domain)
        {
            if (domain != Native.AF_UNIX)
            {
                DropLinger(descriptor);
            }
            else if (depth < MaximumDepth)
            {
                Empty(descriptor, depth);
            }
        }

        descriptor.Dispose();
    }

    private static int? GetDomain(FileDescriptor descriptor)
    {
        int domain;
        var length = sizeof(int);
        return Native.GetSocketOption(descriptor, Native.SOL_SOCKET, Native.SO_DOMAIN, &domain, &length) == 0 ? domain : null;
    }

    private static void DropLinger(FileDescriptor descriptor)
    {
        // struct linger: off.
        long off = 0;
        _ = Native.SetSocketOption(descriptor, Native.SOL_SOCKET, Native.SO_LINGER, &off, sizeof(long));
    }

    /// <summary>Closes what is in flight in a socket. Nothing more can be sent into it meanwhile, so that this ends.</summary>
    private static void Empty(FileDescriptor descriptor, int depth)
    {
        try
        {
            _ = Native.Shutdown(descriptor, Native.SHUT_RDWR);
            UnixSocket.ReceiveOutOfBandToo(descriptor);
            var socket = UnixSocket.Borrow(descriptor);
            if (socket.IsListening)
            {
                Accept(socket, depth);
            }
            else
            {
                Receive(socket, depth);
            }
        }
        catch (LinuxException)
        {
            // Nothing comes out of it any more.
        }
    }

    private static void Receive(UnixSocket socket, int depth)
    {
        var buffer = new byte[BufferSize];
        using var found = new ReceivedDescriptors(UnixSocket.MaximumDescriptors, depth + 1);
        var failures = 0;
        while (failures < MaximumFailures)
        {
            try
            {
                if (socket.Receive(buffer, found, Deadline.After(TimeSpan.Zero)) > 0)
                {
                    continue;
                }
            }
            catch (InvalidDataException)
            {
                // This process has no descriptor left, so that the kernel has closed some.
            }
            catch (LinuxException e) when (e.Errno == Errno.EAGAIN)
            {
                return;
            }
            catch (LinuxException)
            {
                // The socket tells once that its peer has gone; what lies in it is still there.
            }

            failures++;
        }
    }

    /// <summary>Closes the connections that nobody has accepted.</summary>
    private static void Accept(UnixSocket socket, int depth)
    {
        socket.Descriptor.SetNonBlocking(true);
        while (socket.TryAccept(out _) is { } connection)
        {
            CloseNow(connection.Descriptor, depth + 1);
        }
    }
}
