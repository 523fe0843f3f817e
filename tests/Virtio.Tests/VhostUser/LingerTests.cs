// Descriptors that take long to close.
using System.Net;
using System.Net.Sockets;
using Virtio.Linux;
using Virtio.VhostUser;
using Xunit;

namespace Virtio.Tests.VhostUser;

/// <summary>A TCP socket that has something left to send can make its last close wait until it is read, which is never.</summary>
public class LingerTests
{
    [Fact]
    public void In_a_message()
    {
        using var connection = new Connection(new EchoDevice());
        using (var lingering = new LingeringSocket())
        {
            connection.Socket.Send(RawFrontEnd.Bytes((uint)FrontEndRequest.SetFeatures, 1, 8, []), [lingering.Descriptor]);
            lingering.Dispose(); // what is in flight is the last one
            connection.Socket.Send(new byte[8]);
            AssertAnswers(connection);
        }
    }

    [Fact]
    public void In_flight_in_a_socket_in_a_message()
    {
        using var connection = new Connection(new EchoDevice());
        using (var lingering = new LingeringSocket())
        {
            var (mine, theirs) = UnixSocket.Pair();
            mine.Send([1], [lingering.Descriptor]);
            connection.Socket.Send(RawFrontEnd.Bytes((uint)FrontEndRequest.SetFeatures, 1, 8, []), [theirs.Descriptor]);
            theirs.Descriptor.Dispose();
            mine.Descriptor.Dispose();
            lingering.Dispose();
            connection.Socket.Send(new byte[8]);
            AssertAnswers(connection);
        }
    }

    [Fact]
    public void In_a_message_that_is_not_read()
    {
        using var connection = new Connection(new EchoDevice());
        using (var lingering = new LingeringSocket())
        {
            connection.Socket.Send(RawFrontEnd.Bytes(2, 1, 8, [])); // the message is broken, as the rest has a descriptor
            connection.Socket.Send(new byte[8], [lingering.Descriptor]);
            try
            {
                connection.Socket.Send([1], [lingering.Descriptor]);
            }
            catch (LinuxException)
            {
                // It is over already.
            }
        }

        Assert.IsType<VhostUserException>(connection.WaitForEnd());
    }

    [Fact]
    public void In_flight_in_the_back_end_s_channel()
    {
        using var connection = new Connection(new EchoDevice());
        var front = new RawFrontEnd(connection.Socket);
        front.Negotiate();
        using (var lingering = new LingeringSocket())
        {
            var (mine, theirs) = UnixSocket.Pair();
            mine.Send([1], [lingering.Descriptor]);
            mine.Send([1], [lingering.Descriptor]);
            front.Send((uint)FrontEndRequest.SetBackEndRequestDescriptor, 1, [], theirs.Descriptor);
            theirs.Descriptor.Dispose();
            mine.Descriptor.Dispose();
        }

        Assert.IsType<VhostUserException>(connection.WaitForEnd());
    }

    private static void AssertAnswers(Connection connection)
    {
        connection.Socket.ReceiveTimeout = TimeSpan.FromMilliseconds(Connection.Patience);
        var front = new RawFrontEnd(connection.Socket);
        front.Send((uint)FrontEndRequest.GetFeatures, 1, []);
        Assert.NotNull(front.Receive());
    }

    private sealed class LingeringSocket : IDisposable
    {
        private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

        internal LingeringSocket()
        {
            _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            _listener.Listen(1);
            var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            client.Connect(_listener.LocalEndPoint!); // nobody accepts, nobody reads
            client.Blocking = false;
            while (client.Send(new byte[1 << 20], 0, 1 << 20, SocketFlags.None, out var error) > 0 && error == SocketError.Success)
            {
            }

            client.LingerState = new LingerOption(true, 20);
            Descriptor = new FileDescriptor((int)client.Handle);
            client.SafeHandle.SetHandleAsInvalid(); // the descriptor's from now on
        }

        internal FileDescriptor Descriptor { get; }

        /// <summary>Closes this process's descriptor only: the listener stays, so that the socket keeps what it has to send.</summary>
        public void Dispose() => Descriptor.Dispose();
    }
}
