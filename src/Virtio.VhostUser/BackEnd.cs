// The back-end's end of a vhost-user connection.
using Virtio.Linux;
using Virtio.Queues;

namespace Virtio.VhostUser;

/// <summary>Serves one front-end, for one device.</summary>
public sealed partial class BackEnd : IDisposable
{
    /// <summary>Makes a back-end for a connection. Nothing is read until <see cref="Run"/>.</summary>
    /// <param name="connection">The connection; owned from now on.</param>
    /// <param name="device">The device.</param>
    /// <param name="options">What to insist on.</param>
    public BackEnd(UnixSocket connection, BackEndDevice device, BackEndOptions? options = null) => throw new NotImplementedException();

    /// <summary>The guest's memory, empty until the front-end tells it.</summary>
    public GuestMemory Memory => throw new NotImplementedException();

    /// <summary>
    /// Serves the connection until the front-end closes it or <see cref="Stop"/> is called. When it returns or throws, all
    /// queues have stopped, <see cref="BackEndDevice.Disconnected"/> was called and everything that came over the
    /// connection is closed. Call it once.
    /// </summary>
    /// <exception cref="VhostUserException">The front-end broke the protocol, so that the connection could not go on.</exception>
    /// <exception cref="LinuxException">The connection failed.</exception>
    public void Run() => throw new NotImplementedException();

    /// <summary>Makes <see cref="Run"/> return soon. From any thread, any number of times, also before <see cref="Run"/>.</summary>
    public void Stop() => throw new NotImplementedException();

    /// <summary>Tells the driver that the configuration space has changed. From any thread.</summary>
    /// <returns>False if the front-end has no way to hear it, or no driver runs that could.</returns>
    public bool NotifyConfigurationChanged() => throw new NotImplementedException();

    /// <summary>Closes the connection, if <see cref="Run"/> did not. Not while it runs.</summary>
    public void Dispose() => throw new NotImplementedException();
}
