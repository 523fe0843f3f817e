// How a socket listens and accepts.
namespace Virtio.Linux;

public sealed unsafe partial class UnixSocket
{
    // How long to wait where the system has no descriptor or memory for a connection: somebody may give some back.
    private const int RetryMilliseconds = 100;

    /// <summary>
    /// Listens on a path. A socket that a dead process left there is replaced; if several processes try that at once, one
    /// succeeds.
    /// </summary>
    /// <param name="path">The path, at most 107 bytes in UTF-8. Removed when the socket is disposed, unless somebody else has put
    /// something there meanwhile.</param>
    /// <param name="mode">Who may connect: permission to write is what counts. Nobody else can in between.</param>
    /// <exception cref="ArgumentException">The path is empty or too long.</exception>
    /// <exception cref="LinuxException">Somebody listens there (<see cref="Errno.EADDRINUSE"/>), or the path cannot be made.</exception>
    public static UnixSocket Listen(string path, UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserWrite)
    {
        var address = stackalloc byte[SocketAddressSize];
        FillAddress(address, path);
        var socket = NewSocket();
        try
        {
            socket.SetNonBlocking(true);
            return new UnixSocket(socket, SocketPath.Listen(socket, path, address, SocketAddressSize, mode));
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Waits for a connection on a listening socket, also while this process or the system has no descriptor or memory left for
    /// one.
    /// </summary>
    /// <param name="cancel">Signalled by another thread to end the wait.</param>
    /// <returns>The connection; the caller owns it. Null if cancelled.</returns>
    /// <exception cref="LinuxException">The socket does not listen.</exception>
    public UnixSocket? Accept(EventFd? cancel = null)
    {
        while (true)
        {
            if (DescriptorPoll.Wait(Descriptor, PollEvents.In, -1, cancel) == PollEvents.None)
            {
                return null;
            }

            if (TryAccept(out var exhausted) is { } connection)
            {
                return connection;
            }

            if (!exhausted)
            {
                continue;
            }

            if (cancel is null)
            {
                Thread.Sleep(RetryMilliseconds);
            }
            else if (cancel.Wait(RetryMilliseconds))
            {
                return null;
            }
        }
    }

    /// <summary>
    /// Who made the other end: the process that connected, or, on its side, the one that began to listen. It says nothing about who
    /// uses that end now.
    /// </summary>
    /// <exception cref="LinuxException">The socket cannot be asked.</exception>
    public PeerCredentials PeerCredentials
    {
        get
        {
            Native.Credentials value;
            var length = sizeof(Native.Credentials);
            if (Native.GetSocketOption(Descriptor, Native.SOL_SOCKET, Native.SO_PEERCRED, &value, &length) < 0)
            {
                LinuxException.ThrowLast("getsockopt SO_PEERCRED");
            }

            return new PeerCredentials(value.ProcessId, value.UserId, value.GroupId);
        }
    }

    /// <summary>Takes a connection that is there.</summary>
    /// <param name="exhausted">Whether the system has no descriptor or memory left for it: it is still there then.</param>
    /// <returns>The connection; the caller owns it. Null if there is none, or none can be had.</returns>
    /// <exception cref="LinuxException">The socket does not listen.</exception>
    public UnixSocket? TryAccept(out bool exhausted)
    {
        exhausted = false;
        var number = Native.Accept(Descriptor, null, null, Native.SOCK_CLOEXEC);
        if (number >= 0)
        {
            var connection = new UnixSocket(new FileDescriptor(number));
            ReceiveOutOfBandToo(connection.Descriptor);
            return connection;
        }

        var errno = LinuxException.LastErrno;
        if (errno is Errno.EBADF or Errno.EINVAL or Errno.ENOTSOCK or Errno.EOPNOTSUPP)
        {
            throw new LinuxException("accept", errno);
        }

        // Whatever else it is concerns one connection, or passes.
        exhausted = errno is not (Errno.EINTR or Errno.EAGAIN or Errno.ECONNABORTED or Errno.EPROTO);
        return null;
    }
}
