// The name of a listening socket in the file system.
namespace Virtio.Linux;

/// <summary>
/// A name that a socket was bound to. It belongs to that socket as long as it leads to it: a name that somebody removed and
/// bound anew is somebody else's.
/// </summary>
internal sealed unsafe class SocketPath
{
    private readonly string _path;
    private readonly FileIdentity _identity;

    private SocketPath(string path, FileIdentity identity) => (_path, _identity) = (path, identity);

    /// <summary>
    /// Binds a socket to a path and has it listen. A socket that a dead process left there is replaced; of any number of
    /// processes that try so at once, one succeeds.
    /// </summary>
    /// <param name="socket">The socket.</param>
    /// <param name="path">The path.</param>
    /// <param name="address">The same as a socket address.</param>
    /// <param name="addressLength">Length of the address in bytes.</param>
    /// <param name="mode">The permissions that the name gets.</param>
    /// <exception cref="LinuxException">Somebody listens there, or something is there that is no socket
    /// (<see cref="Errno.EADDRINUSE"/>), or the path cannot be made.</exception>
    internal static SocketPath Listen(FileDescriptor socket, string path, byte* address, uint addressLength, UnixFileMode mode)
    {
        // To find a dead socket, to remove it and to bind anew are three steps: nobody else may be between them.
        using var turn = PathLock.Take(path);
        // On a socket without a name this sets the permissions that the name will get.
        if (Native.FChMod(socket, (uint)mode) < 0)
        {
            LinuxException.ThrowLast("fchmod");
        }

        if (Native.Bind(socket, address, addressLength) < 0)
        {
            var errno = LinuxException.LastErrno;
            if (errno != Errno.EADDRINUSE)
            {
                throw new LinuxException($"bind {path}", errno);
            }

            RemoveDead(path, address, addressLength);
            if (Native.Bind(socket, address, addressLength) < 0)
            {
                LinuxException.ThrowLast($"bind {path}");
            }
        }

        var own = TryGetIdentity(path, out var identity, out _) ? identity : default;
        if (Native.Listen(socket, 1) < 0)
        {
            LinuxException.ThrowLast($"listen {path}");
        }

        return new SocketPath(path, own);
    }

    /// <summary>Removes the name, if it still leads to the socket, which still listens. Never fails: nothing could be done about it.</summary>
    internal void Remove()
    {
        try
        {
            // As long as the socket listens, nobody who takes turns replaces it; so this only helps if somebody has removed it.
            using var turn = PathLock.TryTake(_path);
            if (TryGetIdentity(_path, out var identity, out _) && identity == _identity)
            {
                File.Delete(_path);
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // The folder is read-only by now, or gone.
        }
    }

    /// <summary>Removes a socket that nobody listens on any more.</summary>
    /// <exception cref="LinuxException">It is something else.</exception>
    private static void RemoveDead(string path, byte* address, uint addressLength)
    {
        // Connecting to a plain file is refused just as a dead socket is.
        if (TryGetIdentity(path, out _, out var isSocket) && !isSocket)
        {
            throw new LinuxException($"bind {path}, which is not a socket", Errno.EADDRINUSE);
        }

        using var probe = UnixSocket.NewSocket();
        // One that is alive and does not accept at the moment has a full queue; a blocking connect would wait for it.
        probe.SetNonBlocking(true);
        if (Native.Connect(probe, address, addressLength) >= 0 || LinuxException.LastErrno is not (Errno.ECONNREFUSED or Errno.ENOENT))
        {
            throw new LinuxException($"bind {path}", Errno.EADDRINUSE);
        }

        File.Delete(path);
    }

    private static bool TryGetIdentity(string path, out FileIdentity identity, out bool isSocket)
    {
        Native.StatX status;
        var found = Native.GetStatus(Native.AT_FDCWD, path, Native.AT_SYMLINK_NOFOLLOW, Native.STATX_TYPE | Native.STATX_INODE, &status) == 0;
        isSocket = found && (status.Mode & Native.S_IFMT) == Native.S_IFSOCK;
        identity = found ? status.Identity : default;
        return found;
    }
}
