// A TCP socket whose last close takes long.
using System.Net;
using System.Net.Sockets;
using Virtio.Linux;

namespace VirtioUser.Hostile.Tests.Rig;

/// <summary>
/// It has more to send than its peer ever reads. Whoever closes the last descriptor of it waits for a minute, or until
/// the peer is closed, which the attack does when it is judged.
/// </summary>
internal sealed class LingeringSocket : IDisposable
{
    private readonly Socket _peer;

    public LingeringSocket()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(1);
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        client.Connect(listener.LocalEndPoint!);
        _peer = listener.Accept();
        client.Blocking = false;
        while (client.Send(new byte[1 << 20], 0, 1 << 20, SocketFlags.None, out var error) > 0 && error == SocketError.Success)
        {
        }

        client.LingerState = new LingerOption(true, 60);
        Descriptor = new FileDescriptor((int)client.Handle);
        client.SafeHandle.SetHandleAsInvalid(); // the descriptor's from now on
    }

    public FileDescriptor Descriptor { get; }

    public void Dispose()
    {
        _peer.Dispose();
        Descriptor.Dispose();
    }
}
