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

    [Theory]
    [InlineData(FrontEndRequest.SetVringKick)]
    [InlineData(FrontEndRequest.SetVringCall)]
    [InlineData(FrontEndRequest.SetBackEndRequestDescriptor)]
    public void In_the_place_of_another_descriptor(FrontEndRequest request)
    {
        using var connection = new Connection(new EchoDevice());
        new RawFrontEnd(connection.Socket).Negotiate();
        using (var lingering = new LingeringSocket())
        {
            var length = request == FrontEndRequest.SetBackEndRequestDescriptor ? 0u : 8u;
            var message = RawFrontEnd.Bytes((uint)request, 9, length, new byte[length]);
            connection.Socket.Send(message.AsSpan(0, 4), [lingering.Descriptor]);
            lingering.Dispose();
            connection.Socket.Send(message.AsSpan(4));
            Assert.NotNull(new RawFrontEnd(connection.Socket).Receive());
            AssertAnswers(connection);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void In_flight_in_a_socket_that_listens(int depth)
    {
        using var folder = new TemporaryFolder();
        using var connection = new Connection(new EchoDevice());
        using (var lingering = new LingeringSocket())
        {
            var path = Path.Combine(folder.Path, "s");
            var listener = UnixSocket.Listen(path);
            var client = UnixSocket.Connect(path);
            client.Send([1], [lingering.Descriptor]);
            client.Descriptor.Dispose();
            var outer = listener.Descriptor;
            for (var i = 1; i < depth; i++)
            {
                var (mine, theirs) = UnixSocket.Pair();
                mine.Send([1], [outer]);
                mine.Descriptor.Dispose();
                outer.Dispose();
                outer = theirs.Descriptor;
            }

            connection.Socket.Send(RawFrontEnd.Bytes((uint)FrontEndRequest.SetFeatures, 1, 8, []), [outer]);
            outer.Dispose();
            lingering.Dispose();
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
        var (mine, theirs) = UnixSocket.Pair();
        using (theirs)
        using (var backEnd = new BackEnd(mine, new EchoDevice()))
        using (var lingering = new LingeringSocket())
        {
            theirs.Send(RawFrontEnd.Bytes(1, 2, 8, [])); // a version that does not exist: nothing behind it is read
            theirs.Send([1], [lingering.Descriptor]);
            theirs.Send([1], [lingering.Descriptor]);
            lingering.Dispose();
            var thread = new Thread(() => Record.Exception(backEnd.Run));
            thread.Start();
            Assert.True(thread.Join(Connection.Patience));
        }
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
            lingering.Dispose();
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

            client.LingerState = new LingerOption(true, 600);
            Descriptor = new FileDescriptor((int)client.Handle);
            client.SafeHandle.SetHandleAsInvalid(); // the descriptor's from now on
        }

        internal FileDescriptor Descriptor { get; }

        /// <summary>Closes this process's descriptor only: the listener stays, so that the socket keeps what it has to send.</summary>
        public void Dispose() => Descriptor.Dispose();
    }
}
