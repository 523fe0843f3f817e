// Front-ends that try to have the daemon keep their own connection alive: the next one must get its place all the same.
using Virtio.Linux;
using VirtioUser.Daemon.Tests.Support;

namespace VirtioUser.Daemon.Tests;

/// <summary>Each test closes all that it has of its sockets, so that only the daemon, or the kernel for it, could still keep one.</summary>
public sealed class OwnEndTests(OnePlaceFixture daemon) : IClassFixture<OnePlaceFixture>
{
    // How many connections the daemon lets wait.
    private const int Room = 16;

    private const uint Version = 1, NeedReply = 1 | 8;
    private const uint GetFeatures = 1, SetFeatures = 2, GetProtocolFeatures = 15, SetProtocolFeatures = 16, SetChannel = 21;

    [Fact]
    public void Half_a_message_with_the_own_end()
    {
        using (var socket = UnixSocket.Connect(daemon.SocketPath))
        {
            socket.Send(Header(SetFeatures, Version, 8), [socket.Descriptor]);
        }

        AssertServes();
    }

    [Fact]
    public void A_whole_message_with_the_own_end()
    {
        using (var socket = UnixSocket.Connect(daemon.SocketPath))
        {
            socket.Send(Header(GetFeatures, Version, 0), [.. Enumerable.Repeat(socket.Descriptor, 8)]);
        }

        AssertServes();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_own_end_as_the_back_end_s_channel(bool wantsAnswer)
    {
        using (var socket = Negotiate())
        {
            socket.Send(Header(SetChannel, wantsAnswer ? NeedReply : Version, 0), [socket.Descriptor]);
        }

        AssertServes();
    }

    [Fact]
    public void Another_connection_s_end_as_the_back_end_s_channel()
    {
        using (var socket = Negotiate())
        using (var other = UnixSocket.Connect(daemon.SocketPath))
        {
            other.Send(Header(GetFeatures, Version, 0));
            socket.Send(Header(SetChannel, NeedReply, 0), [other.Descriptor]);
        }

        AssertServes();
    }

    [Theory]
    [InlineData(1, true)]
    [InlineData(1, false)]
    [InlineData(2, true)]
    [InlineData(2, false)]
    [InlineData(4, true)]
    public void The_own_end_in_flight_in_the_back_end_s_channel(int depth, bool first)
    {
        using (var socket = Negotiate())
        {
            var (mine, theirs) = UnixSocket.Pair();
            using (mine)
            using (theirs)
            {
                if (first)
                {
                    Nest(mine, socket, depth);
                }

                socket.Send(Header(SetChannel, Version, 0), [theirs.Descriptor]);
                if (!first)
                {
                    Nest(mine, socket, depth);
                }
            }
        }

        AssertServes();
    }

    [Fact]
    public void The_own_end_in_flight_in_the_back_end_s_channel_of_a_running_driver()
    {
        using (var driver = daemon.Boot())
        {
            var (mine, theirs) = UnixSocket.Pair();
            using (mine)
            using (theirs)
            using (var own = new UnixSocketCopy(driver.Vm.FrontEnd.Connection))
            {
                own.Socket.Send(Header(SetChannel, Version, 0), [theirs.Descriptor]);
                Nest(mine, own.Socket, 2);
            }
        }

        AssertServes();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void The_own_end_in_flight_in_a_connection_that_waits(int depth)
    {
        using (var socket = Negotiate())
        using (var waiting = UnixSocket.Connect(daemon.SocketPath))
        {
            Nest(waiting, socket, depth);
        }

        AssertServes();
    }

    [Fact]
    public void The_own_end_in_flight_behind_a_good_message_in_a_connection_that_waits()
    {
        using (var socket = Negotiate())
        using (var waiting = UnixSocket.Connect(daemon.SocketPath))
        {
            waiting.Send(Header(GetFeatures, Version, 0));
            Nest(waiting, socket, 1);
        }

        AssertServes();
    }

    [Fact]
    public void More_connections_that_wait_than_there_is_room_for_each_with_the_one_before_in_flight()
    {
        var atRest = DaemonMemory.Sockets(daemon.Daemon.Id);
        var sockets = new List<UnixSocket> { Negotiate() };
        try
        {
            for (var i = 0; i < 2 * Room; i++)
            {
                var next = UnixSocket.Connect(daemon.SocketPath);
                sockets.Add(next);
                try
                {
                    next.Send([1], [sockets[i].Descriptor]);
                }
                catch (LinuxException)
                {
                    // It was turned away.
                }
            }
        }
        finally
        {
            sockets.ForEach(socket => socket.Dispose());
        }

        DaemonMemory.WaitForSockets(daemon.Daemon.Id, atRest); // whoever comes while the room is full is turned away
        AssertServes();
    }

    [Fact]
    public void More_connections_that_wait_in_silence_than_there_is_room_for_whose_ends_are_in_flight_in_the_last()
    {
        var atRest = DaemonMemory.Sockets(daemon.Daemon.Id);
        var sockets = new List<UnixSocket> { Negotiate() };
        try
        {
            for (var i = 0; i < Room + 2; i++)
            {
                sockets.Add(UnixSocket.Connect(daemon.SocketPath));
            }

            sockets[^1].Send([1], [.. sockets[..^1].Select(socket => socket.Descriptor)]);
        }
        catch (LinuxException)
        {
            // It was turned away.
        }
        finally
        {
            sockets.ForEach(socket => socket.Dispose());
        }

        DaemonMemory.WaitForSockets(daemon.Daemon.Id, atRest); // whoever comes while the room is full is turned away
        AssertServes();
    }

    [Fact]
    public void A_front_end_that_waits_its_turn_in_silence_is_served()
    {
        using var waiting = Negotiate(out var first);
        using (first)
        {
            waiting.Send(Header(GetFeatures, Version, 0));
        }

        using var none = new ReceivedDescriptors(0);
        waiting.ReceiveTimeout = Patience.Limit;
        Assert.InRange(waiting.Receive(new byte[20], none), 1, 20);
    }

    private void AssertServes()
    {
        using var driver = daemon.Boot();
        Assert.Equal(4u, driver.Call(driver.Create(), TestDevice.Dependency.TestOperation.Echo, 4));
    }

    /// <summary>A connection that waits behind one that is served.</summary>
    private UnixSocket Negotiate(out UnixSocket served)
    {
        served = Negotiate();
        return UnixSocket.Connect(daemon.SocketPath);
    }

    /// <summary>A connection that is being served, so that others wait.</summary>
    private UnixSocket Negotiate()
    {
        var socket = UnixSocket.Connect(daemon.SocketPath);
        socket.ReceiveTimeout = Patience.Limit;
        socket.Send(Header(GetProtocolFeatures, Version, 0));
        using var none = new ReceivedDescriptors(0);
        var reply = new byte[20];
        for (var count = 0; count < reply.Length;)
        {
            var received = socket.Receive(reply.AsSpan(count), none);
            Assert.NotEqual(0, received);
            count += received;
        }

        socket.Send([.. Header(SetProtocolFeatures, Version, 8), .. reply[12..]]);
        return socket;
    }

    private static byte[] Header(uint request, uint flags, uint size) =>
        [.. BitConverter.GetBytes(request), .. BitConverter.GetBytes(flags), .. BitConverter.GetBytes(size)];

    /// <summary>Sends a socket into another one, or into one that is sent into it, and so on; keeps nothing. The receiver may be gone.</summary>
    private static void Nest(UnixSocket outer, UnixSocket inner, int depth)
    {
        var (mine, theirs) = UnixSocket.Pair();
        using (mine)
        using (theirs)
        {
            try
            {
                if (depth > 1)
                {
                    Nest(mine, inner, depth - 1);
                    outer.Send([1], [theirs.Descriptor]);
                }
                else
                {
                    outer.Send([1], [inner.Descriptor]);
                }
            }
            catch (LinuxException)
            {
                // The daemon was quicker.
            }
        }
    }

    /// <summary>The same connection once more, for messages that a front-end does not send.</summary>
    private sealed class UnixSocketCopy(FileDescriptor connection) : IDisposable
    {
        public UnixSocket Socket { get; } = UnixSocket.FromDescriptor(connection.Duplicate());

        public void Dispose() => Socket.Dispose();
    }
}
