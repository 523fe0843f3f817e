using System.Net.Sockets;
using Virtio;

namespace VirtioUser.Vm;

/// <summary>
/// A private folder (mode 0700) with sockets on which this process listens and to which QEMU connects as it starts:
/// so nobody waits for a socket to appear. Paths stay far below the limit of 108 bytes, wherever TMPDIR is.
/// </summary>
sealed class SocketFolder : IDisposable
{
    readonly DirectoryInfo folder = Create("vu-");
    readonly Dictionary<string, Socket> listeners = [];

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

    public string PathOf(string name) => Path.Combine(folder.FullName, name);

    public void Listen(string name)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listeners.Add(name, socket);
        socket.Bind(new UnixDomainSocketEndPoint(PathOf(name)));
        socket.Listen(1);
    }

    /// <summary>Waits for the one connection to a socket; the caller owns the stream.</summary>
    public async Task<NetworkStream> AcceptAsync(string name, CancellationToken cancellationToken) =>
        new(await listeners[name].AcceptAsync(cancellationToken).ConfigureAwait(false), ownsSocket: true);

    public void Dispose()
    {
        foreach (Socket listener in listeners.Values)
        {
            listener.Dispose();
        }

        if (Directory.Exists(folder.FullName)) // it lies where machines clean up
        {
            folder.Delete(recursive: true);
        }
    }
}
