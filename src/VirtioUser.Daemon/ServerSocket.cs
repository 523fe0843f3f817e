// Where front-ends come from.
using Virtio.Linux;

namespace VirtioUser.Daemon;

/// <summary>A listening socket, or one connection that was inherited.</summary>
internal sealed class ServerSocket : IDisposable
{
    private readonly UnixSocket _socket;
    private readonly WaitingRoom? _waitingRoom;
    private bool _taken;

    private ServerSocket(UnixSocket socket, string name)
    {
        _socket = socket;
        _waitingRoom = socket.IsListening ? new WaitingRoom(socket) : null;
        Name = name;
    }

    /// <summary>For messages.</summary>
    public string Name { get; }

    /// <summary>Is told, on another thread, why a front-end was turned away before its turn. A front-end can cause any number of these.</summary>
    public Action<string>? TurnedAway
    {
        set
        {
            if (_waitingRoom is not null)
            {
                _waitingRoom.TurnedAway = value;
            }
        }
    }

    /// <summary>Is told, on another thread, that nobody can be accepted since no descriptor or memory is left.</summary>
    public Action? Exhausted
    {
        set
        {
            if (_waitingRoom is not null)
            {
                _waitingRoom.Exhausted = value;
            }
        }
    }

    /// <summary>Whether a front-end waits for its turn.</summary>
    public bool HasNext => _waitingRoom?.HasNext ?? !_taken;

    /// <summary>Opens what the options name.</summary>
    /// <exception cref="LinuxException">The path is in use or can not be made.</exception>
    /// <exception cref="ArgumentException">The path is too long, or the descriptor is no socket.</exception>
    public static ServerSocket Open(DaemonOptions options)
    {
        if (options.SocketPath is { } path)
        {
            return Open(UnixSocket.Listen(path), path);
        }

        var number = options.Descriptor!.Value;
        try
        {
            return Open(UnixSocket.FromDescriptor(new FileDescriptor(number)), $"descriptor {number}");
        }
        catch (LinuxException e)
        {
            throw new ArgumentException($"Descriptor {number} is not an open socket: {e.Message}.", e);
        }
    }

    /// <summary>Waits until a front-end waits for its turn.</summary>
    /// <returns>False when <see cref="Cancel"/> was called or no other can come.</returns>
    /// <exception cref="LinuxException">The socket broke.</exception>
    public bool WaitForNext() => _waitingRoom?.WaitForNext() ?? !_taken;

    /// <summary>Waits for the next front-end.</summary>
    /// <returns>The connection, the caller's; null when <see cref="Cancel"/> was called or no other can come.</returns>
    /// <exception cref="LinuxException">The socket broke.</exception>
    public UnixSocket? Accept()
    {
        if (_waitingRoom is not null)
        {
            return _waitingRoom.Take();
        }

        var first = !_taken;
        _taken = true;
        return first ? _socket : null;
    }

    /// <summary>Ends the wait. Any thread.</summary>
    public void Cancel() => _waitingRoom?.Cancel();

    /// <inheritdoc/>
    public void Dispose()
    {
        _waitingRoom?.Dispose();
        _socket.Dispose();
    }

    private static ServerSocket Open(UnixSocket socket, string name)
    {
        try
        {
            return new ServerSocket(socket, name);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
