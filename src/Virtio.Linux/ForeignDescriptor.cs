// Closing what somebody else has made.
namespace Virtio.Linux;

/// <summary>
/// Closes descriptors that an untrusted process has sent. A plain close of the last descriptor can wait for hours: a TCP socket
/// can be told to linger until what it has to send is read, which may be never; and a Unix socket takes what is in flight in it
/// along.
/// </summary>
internal static unsafe class ForeignDescriptor
{
    // Sockets in sockets in sockets: few kernels let more be nested.
    private const int MaximumDepth = 8;

    private const int BufferSize = 4096;

    /// <summary>Closes a descriptor. A Unix socket is shut down for all who have it.</summary>
    /// <param name="descriptor">The descriptor; owned.</param>
    /// <param name="depth">In how many sockets it was found, one in another.</param>
    internal static void Close(FileDescriptor descriptor, int depth = 0)
    {
        if (descriptor.IsClosed)
        {
            return;
        }

        if (!IsUnixSocket(descriptor))
        {
            DropLinger(descriptor);
        }
        else if (depth < MaximumDepth)
        {
            Empty(descriptor, depth);
        }

        descriptor.Dispose();
    }

    private static bool IsUnixSocket(FileDescriptor descriptor)
    {
        int domain;
        var length = sizeof(int);
        return Native.GetSocketOption(descriptor, Native.SOL_SOCKET, Native.SO_DOMAIN, &domain, &length) == 0 && domain == Native.AF_UNIX;
    }

    private static void DropLinger(FileDescriptor descriptor)
    {
        // struct linger: off. What is no socket has nothing to switch off.
        long off = 0;
        _ = Native.SetSocketOption(descriptor, Native.SOL_SOCKET, Native.SO_LINGER, &off, sizeof(long));
    }

    /// <summary>Closes what is in flight in a socket. Nothing more can be sent into it meanwhile, so that this ends.</summary>
    private static void Empty(FileDescriptor descriptor, int depth)
    {
        try
        {
            _ = Native.Shutdown(descriptor, Native.SHUT_RDWR);
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
        int count;
        do
        {
            count = 1;
            try
            {
                count = socket.Receive(buffer, found, Deadline.After(TimeSpan.Zero));
            }
            catch (InvalidDataException)
            {
                // This process has no descriptor left, so that the kernel has closed some.
            }
        }
        while (count > 0);
    }

    /// <summary>Closes the connections that nobody has accepted.</summary>
    private static void Accept(UnixSocket socket, int depth)
    {
        socket.Descriptor.SetNonBlocking(true);
        while (socket.TryAccept(out _) is { } connection)
        {
            Close(connection.Descriptor, depth + 1);
        }
    }
}
