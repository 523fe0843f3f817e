// Where front-ends come from.
using Virtio.Linux;

namespace VirtioUser.Daemon;

/// <summary>All sockets that listen, and who waits at them; or one connection that was inherited.</summary>
internal sealed class Listeners : IDisposable
{
    private readonly WaitingRoom? _waitingRoom;
    private bool _taken;

    private Listeners(IReadOnlyList<Listener> all)
    {
        All = all;
        _waitingRoom = all.All(each => each.Socket.IsListening) ? new WaitingRoom(all) : null;
    }

    /// <summary>At least one.</summary>
    public IReadOnlyList<Listener> All { get; }

    /// <summary>Serves a front-end at once, on another thread, if there is a place; takes over the connection then.</summary>
    public Func<Listener, UnixSocket, bool>? Serve
    {
        set
        {
            if (_waitingRoom is not null)
            {
                _waitingRoom.Serve = value;
            }
        }
    }

    /// <summary>Is told, on another thread, why a front-end was turned away before it was served. A front-end can cause any number of these.</summary>
    public Action<Listener, string>? TurnedAway
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
    public Action<Listener>? Exhausted
    {
        set
        {
            if (_waitingRoom is not null)
            {
                _waitingRoom.Exhausted = value;
            }
        }
    }

    /// <summary>Whether a front-end waits to be served.</summary>
    public bool HasNext => _waitingRoom?.HasNext ?? !_taken;

    /// <summary>Opens what the options name.</summary>
    /// <exception cref="LinuxException">A path is in use or can not be made.</exception>
    /// <exception cref="ArgumentException">A path is too long, or the descriptor is no socket.</exception>
    public static Listeners Open(DaemonOptions options)
    {
        List<Listener> all = [];
        try
        {
            foreach (var address in options.Listeners)
            {
                // Who has one listener and gave it no name has metrics without a tag.
                all.Add(new Listener(address.Name, address.Path, UnixSocket.Listen(address.Path), address.IsNamed || options.Listeners.Count > 1, address.Limits));
            }

            if (options.Descriptor is { } number)
            {
                all.Add(Inherit(number, options.Limits));
            }

            return new Listeners(all);
        }
        catch
        {
            all.ForEach(each => each.Dispose());
            throw;
        }
    }

    /// <summary>Waits until a front-end waits to be served.</summary>
    /// <returns>False when <see cref="Cancel"/> was called or no other can come.</returns>
    /// <exception cref="LinuxException">A socket broke.</exception>
    public bool WaitForNext() => _waitingRoom?.WaitForNext() ?? !_taken;

    /// <summary>Takes the front-end that has waited longest, or waits for one.</summary>
    /// <returns>The connection, the caller's, and where it came; null when <see cref="Cancel"/> was called or no other can come.</returns>
    /// <exception cref="LinuxException">A socket broke.</exception>
    public (Listener Listener, UnixSocket Socket)? Take()
    {
        if (_waitingRoom is not null)
        {
            return _waitingRoom.Take();
        }

        var first = !_taken;
        _taken = true;
        return first ? (All[0], All[0].Socket) : null;
    }

    /// <summary>Ends the wait. Any thread.</summary>
    public void Cancel() => _waitingRoom?.Cancel();

    /// <inheritdoc/>
    public void Dispose()
    {
        _waitingRoom?.Dispose();
        foreach (var listener in All)
        {
            listener.Dispose();
        }
    }

    private static Listener Inherit(int number, ConnectionLimits limits)
    {
        try
        {
            return new Listener("fd", $"descriptor {number}", UnixSocket.FromDescriptor(new FileDescriptor(number)), hasTag: false, limits);
        }
        catch (LinuxException e)
        {
            throw new ArgumentException($"Descriptor {number} is not an open socket: {e.Message}.", e);
        }
    }
}
