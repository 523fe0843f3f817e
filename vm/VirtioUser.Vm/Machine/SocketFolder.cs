using System.Net.Sockets;
using Virtio;

namespace VirtioUser.Vm;

/// <summary>
/// A private folder (mode 0700) with sockets on which this process listens and to which QEMU connects as it starts:
/// so nobody waits for a socket to appear. Paths stay far below the limit of 108 bytes, wherever TMPDIR is.
/// </summary>
internal sealed class SocketFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Create("vu-");
    private readonly Dictionary<string, Socket> _listeners = [];

    /// <summary>Makes a private folder for sockets.</summary>
    /// <exception cref="SetupException">There is no place for one.</exception>
    internal static DirectoryInfo Create(string prefix)
    {
        try
        {
            return ScratchFolder.Create(prefix);
        }
        catch (IOException e)
        {
            throw new SetupException(e.Message);
        }
    }

    public string PathOf(string name) => Path.Combine(_folder.FullName, name);

    public void Listen(string name)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        _listeners.Add(name, socket);
        socket.Bind(new UnixDomainSocketEndPoint(PathOf(name)));
        socket.Listen(1);
    }

    /// <summary>Waits for the one connection to a socket; the caller owns the stream.</summary>
    public async Task<NetworkStream> AcceptAsync(string name, CancellationToken cancellationToken) =>
        new(await _listeners[name].AcceptAsync(cancellationToken).ConfigureAwait(false), ownsSocket: true);

    public void Dispose()
    {
        foreach (var listener in _listeners.Values)
        {
            listener.Dispose();
        }

        if (Directory.Exists(_folder.FullName)) // it lies where machines clean up
        {
            _folder.Delete(recursive: true);
        }
    }
}
