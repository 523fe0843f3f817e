// Where front-ends come from.
using Virtio.Linux;

namespace VirtioUser.Daemon;

/// <summary>A listening socket, or one connection that was inherited.</summary>
internal sealed class ServerSocket : IDisposable
{
    private readonly EventFd _cancel = EventFd.Create();
    private readonly UnixSocket _socket;
    private readonly bool _listens;
    private bool _taken;

    private ServerSocket(UnixSocket socket, bool listens, string name)
    {
        _socket = socket;
        _listens = listens;
        Name = name;
    }

    /// <summary>For messages.</summary>
    public string Name { get; }

    /// <summary>Opens what the options name.</summary>
    /// <exception cref="LinuxException">The path is in use or can not be made.</exception>
    /// <exception cref="ArgumentException">The path is too long, or the descriptor is no socket.</exception>
    public static ServerSocket Open(DaemonOptions options)
    {
        if (options.SocketPath is { } path)
        {
            return new ServerSocket(UnixSocket.Listen(path), listens: true, path);
        }

        var number = options.Descriptor!.Value;
        try
        {
            var socket = UnixSocket.FromDescriptor(new FileDescriptor(number));
            return new ServerSocket(socket, socket.IsListening, $"descriptor {number}");
        }
        catch (LinuxException e)
        {
            throw new ArgumentException($"Descriptor {number} is not an open socket: {e.Message}.", e);
        }
    }

    /// <summary>Waits for the next front-end.</summary>
    /// <returns>The connection, the caller's; null when <see cref="Cancel"/> was called or no other can come.</returns>
    public UnixSocket? Accept()
    {
        if (_listens)
        {
            return _socket.Accept(_cancel);
        }

        var first = !_taken;
        _taken = true;
        return first ? _socket : null;
    }

    /// <summary>Ends the wait. Any thread.</summary>
    public void Cancel() => _cancel.Signal();

    /// <inheritdoc/>
    public void Dispose()
    {
        _socket.Dispose();
        _cancel.Dispose();
    }
}
