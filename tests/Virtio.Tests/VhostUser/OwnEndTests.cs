// Front-ends that hand the back-end an end of their own connection: it must not keep the connection alive.
using Virtio.Linux;
using Virtio.VhostUser;
using Xunit;

namespace Virtio.Tests.VhostUser;

/// <summary>In each case the front-end closes all that it has, so that only the back-end could still hold an end.</summary>
public class OwnEndTests
{
    private static readonly BackEndOptions Options = new() { Patience = TimeSpan.FromMilliseconds(500) };

    [Fact]
    public void In_half_a_message()
    {
        using var connection = new Connection(new EchoDevice(), Options);
        connection.Socket.Send(RawFrontEnd.Bytes(2, 1, 8, []), [connection.Socket.Descriptor]);
        connection.Socket.Dispose();
        Assert.Contains("rest of a message", Assert.IsType<VhostUserException>(connection.WaitForEnd()).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(FrontEndRequest.SetOwner)]
    [InlineData(FrontEndRequest.GetFeatures)]
    [InlineData(FrontEndRequest.ResetOwner)]
    public void In_a_whole_message_that_carries_none(FrontEndRequest request)
    {
        using var connection = new Connection(new EchoDevice(), Options);
        new RawFrontEnd(connection.Socket).Send((uint)request, 1, [], connection.Socket.Descriptor);
        connection.Socket.Dispose();
        Assert.Null(connection.WaitForEnd());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void As_the_back_end_s_channel(bool running)
    {
        using var guest = new Guest();
        using var connection = new Connection(new EchoDevice(), Options);
        var front = Begin(connection, guest, running);
        Assert.NotEqual(0UL, front.Tell(FrontEndRequest.SetBackEndRequestDescriptor, [], connection.Socket.Descriptor));
        connection.ExpectAtLast("refused: SET_BACKEND_REQ_FD: the socket is the end of a connection to this back-end");
        connection.Socket.Dispose();
        Assert.Null(connection.WaitForEnd());
    }

    [Fact]
    public void As_the_back_end_s_channel_by_way_of_a_listener()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "s");
        using var listener = UnixSocket.Listen(path);
        var client = UnixSocket.Connect(path);
        using var other = UnixSocket.Connect(path); // waits in the queue
        var device = new EchoDevice();
        using var backEnd = new BackEnd(listener.Accept()!, device, Options);
        var thread = new Thread(() => Record.Exception(backEnd.Run));
        thread.Start();
        var front = new RawFrontEnd(client);
        front.Negotiate();

        Assert.NotEqual(0UL, front.Tell(FrontEndRequest.SetBackEndRequestDescriptor, [], client.Descriptor));
        Assert.NotEqual(0UL, front.Tell(FrontEndRequest.SetBackEndRequestDescriptor, [], other.Descriptor));
        client.Dispose();
        Assert.True(thread.Join(Connection.Patience));
    }

    /// <summary>How deep the end lies in other sockets, whether it gets there before the channel does, and whether a driver runs.</summary>
    public static TheoryData<int, bool, bool> InFlight
    {
        get
        {
            var data = new TheoryData<int, bool, bool>();
            foreach (var depth in new[] { 1, 2, 3 })
            {
                foreach (var first in new[] { false, true })
                {
                    data.Add(depth, first, false);
                    data.Add(depth, first, true);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(InFlight))]
    public void In_flight_in_the_back_end_s_channel(int depth, bool first, bool running)
    {
        using var guest = new Guest();
        using var connection = new Connection(new EchoDevice(), Options);
        var front = Begin(connection, guest, running);
        var (mine, theirs) = UnixSocket.Pair();
        if (first)
        {
            Nest(mine, connection.Socket, depth);
        }

        front.Send((uint)FrontEndRequest.SetBackEndRequestDescriptor, 1, [], theirs.Descriptor);
        if (!first)
        {
            Nest(mine, connection.Socket, depth);
        }

        mine.Dispose();
        theirs.Dispose();
        connection.Socket.Dispose();
        Assert.Contains("nothing was asked for", Assert.IsType<VhostUserException>(connection.WaitForEnd()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void In_flight_behind_the_peer_of_the_channel_that_is_in_flight_itself()
    {
        using var guest = new Guest();
        using var connection = new Connection(new EchoDevice(), Options);
        var front = Begin(connection, guest, running: true);
        var (mine, theirs) = UnixSocket.Pair();
        theirs.Send([1], [connection.Socket.Descriptor]); // lies in what "mine" would receive
        mine.Send([1], [mine.Descriptor]); // which lies in the channel
        front.Send((uint)FrontEndRequest.SetBackEndRequestDescriptor, 1, [], theirs.Descriptor);
        mine.Dispose();
        theirs.Dispose();
        connection.Socket.Dispose();
        Assert.IsType<VhostUserException>(connection.WaitForEnd());
    }

    [Fact]
    public void In_an_answer_on_the_channel()
    {
        using var guest = new Guest();
        using var arena = MemFd.Create("arena", 1 << 20);
        var device = new EchoDevice();
        device.Regions.Add(new SharedMemoryRegion(arena, 1 << 20));
        using var connection = new Connection(device, Options);
        var (mine, theirs) = UnixSocket.Pair();
        var front = new RawFrontEnd(connection.Socket);
        front.Negotiate();
        Assert.Equal(0UL, front.Tell(FrontEndRequest.SetBackEndRequestDescriptor, [], theirs.Descriptor));
        theirs.Dispose();
        guest.Start(new FrontEnd(connection.Socket));
        Assert.NotNull(new RawFrontEnd(mine).Receive());
        mine.Send(RawFrontEnd.Bytes((uint)BackEndRequest.SharedMemoryMap, RawFrontEnd.Reply, 8, new byte[8]), [connection.Socket.Descriptor]);
        mine.Dispose();
        connection.Socket.Dispose();
        Assert.Null(connection.WaitForEnd());
    }

    [Fact]
    public void In_flight_in_a_channel_that_another_one_replaces()
    {
        using var guest = new Guest();
        using var connection = new Connection(new EchoDevice(), Options);
        var front = Begin(connection, guest, running: false);
        var (firstMine, firstTheirs) = UnixSocket.Pair();
        var (secondMine, secondTheirs) = UnixSocket.Pair();
        front.Send((uint)FrontEndRequest.SetBackEndRequestDescriptor, 1, [], firstTheirs.Descriptor);
        front.Send((uint)FrontEndRequest.SetBackEndRequestDescriptor, 1, [], secondTheirs.Descriptor);
        front.Send((uint)FrontEndRequest.GetFeatures, 1, []);
        Assert.NotNull(front.Receive());
        firstTheirs.Dispose();
        Assert.True(firstMine.HasEnded); // the former channel is closed
        Nest(firstMine, secondMine, 1);
        firstMine.Dispose();
        secondMine.Dispose();
        secondTheirs.Dispose();
        connection.Socket.Dispose();
        Assert.Null(connection.WaitForEnd());

        static void Nest(UnixSocket outer, UnixSocket inner, int depth) => Record.Exception(() => OwnEndTests.Nest(outer, inner, depth));
    }

    [Fact]
    public void A_channel_whose_other_end_is_closed_is_closed_too_and_the_connection_goes_on()
    {
        using var guest = new Guest();
        using var connection = new Connection(new EchoDevice(), Options);
        var front = Begin(connection, guest, running: true);
        Assert.Equal([1], guest.Echo(0, [1])); // the device's threads have what they need
        Assert.Equal([1], guest.Echo(1, [1]));
        var before = ProcessResources.CountDescriptors();
        var (mine, theirs) = UnixSocket.Pair();
        Assert.Equal(0UL, front.Tell(FrontEndRequest.SetBackEndRequestDescriptor, [], theirs.Descriptor));
        theirs.Dispose();
        mine.Dispose();
        Assert.True(SpinWait.SpinUntil(() => !connection.BackEnd.NotifyConfigurationChanged(), Connection.Patience));
        Assert.True(SpinWait.SpinUntil(() => ProcessResources.CountDescriptors() <= before, Connection.Patience));
        Assert.Equal([1], guest.Echo(0, [1]));
    }

    public static TheoryData<string, string> NoChannels => new()
    {
        { "listens", "listens" },
        { "not connected", "ENOTCONN" },
        { "datagrams", "not a Unix stream socket" },
        { "packets", "not a Unix stream socket" },
        { "TCP", "not a Unix stream socket" },
    };

    [Theory]
    [MemberData(nameof(NoChannels))]
    public void A_channel_that_leads_nowhere_is_refused(string kind, string reason)
    {
        using var folder = new TemporaryFolder();
        using var connection = new Connection(new EchoDevice());
        var front = new RawFrontEnd(connection.Socket);
        front.Negotiate();
        using var socket = kind switch
        {
            "listens" => null,
            "not connected" => new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, 0),
            "datagrams" => new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Dgram, 0),
            "packets" => new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Seqpacket, 0),
            _ => new System.Net.Sockets.Socket(System.Net.Sockets.SocketType.Stream, 0),
        };
        using var listener = UnixSocket.Listen(Path.Combine(folder.Path, "s"));
        using var copy = socket is null ? listener.Descriptor.Duplicate() : Copy(socket);
        Assert.NotEqual(0UL, front.Tell(FrontEndRequest.SetBackEndRequestDescriptor, [], copy));
        Assert.Contains(reason, connection.NextEvent(), StringComparison.Ordinal);
    }

    private static FileDescriptor Copy(System.Net.Sockets.Socket socket)
    {
        var borrowed = new FileDescriptor((int)socket.Handle);
        try
        {
            return borrowed.Duplicate();
        }
        finally
        {
            borrowed.SetHandleAsInvalid(); // it stays the socket's
        }
    }

    private static RawFrontEnd Begin(Connection connection, Guest guest, bool running)
    {
        var front = new RawFrontEnd(connection.Socket);
        front.Negotiate();
        if (running)
        {
            guest.Start(new FrontEnd(connection.Socket));
        }

        return front;
    }

    /// <summary>Sends a socket into another one, or into one that is sent into it, and so on; keeps nothing.</summary>
    private static void Nest(UnixSocket outer, UnixSocket inner, int depth)
    {
        if (depth == 1)
        {
            outer.Send([1], [inner.Descriptor]);
            return;
        }

        var (mine, theirs) = UnixSocket.Pair();
        using (mine)
        using (theirs)
        {
            Nest(mine, inner, depth - 1);
            outer.Send([1], [theirs.Descriptor]);
        }
    }
}
