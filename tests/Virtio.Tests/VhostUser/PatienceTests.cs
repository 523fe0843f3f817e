// Front-ends that stop in the middle, and what they may keep a back-end waiting for.
using Virtio.Linux;
using Virtio.VhostUser;
using Xunit;

namespace Virtio.Tests.VhostUser;

public class PatienceTests
{
    private static readonly BackEndOptions Impatient = new() { Patience = TimeSpan.FromMilliseconds(300) };
    private static readonly byte[] SetFeatures = RawFrontEnd.Bytes(2, 1, 8, new byte[8]);

    public static TheoryData<int> Parts => [1, 11, 12, 13, 19];

    [Theory]
    [MemberData(nameof(Parts))]
    public void The_rest_of_a_message_is_not_awaited_for_ever(int count)
    {
        using var connection = new Connection(new EchoDevice(), Impatient);
        connection.Socket.Send(SetFeatures.AsSpan(0, count));
        Assert.Contains("rest of a message", Assert.IsType<VhostUserException>(connection.WaitForEnd()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Bytes_one_by_one_do_not_extend_the_time_for_a_message()
    {
        using var connection = new Connection(new EchoDevice(), Impatient);
        var message = RawFrontEnd.Bytes(2, 1, 4096, new byte[4096]);
        using var ended = new CancellationTokenSource();
        var sender = new Thread(() =>
        {
            // More bytes than fit into the time by far, each of them early.
            for (var i = 0; i < message.Length && !ended.IsCancellationRequested; i++)
            {
                try
                {
                    connection.Socket.Send(message.AsSpan(i, 1));
                }
                catch (LinuxException)
                {
                    return;
                }

                ended.Token.WaitHandle.WaitOne(50);
            }
        });
        sender.Start();
        Assert.Contains("rest of a message", Assert.IsType<VhostUserException>(connection.WaitForEnd()).Message, StringComparison.Ordinal);
        ended.Cancel();
        sender.Join();
    }

    [Fact]
    public void The_next_message_may_take_as_long_as_it_likes()
    {
        using var connection = new Connection(new EchoDevice(), new BackEndOptions { Patience = TimeSpan.FromMilliseconds(1) });
        var front = new RawFrontEnd(connection.Socket);
        for (var i = 0; i < 3; i++)
        {
            front.Send((uint)FrontEndRequest.GetFeatures, 1, []);
            Assert.NotNull(front.Receive());
            Thread.Sleep(20); // much longer than the patience; that it is idle then is what is tried
        }
    }

    [Fact]
    public void A_front_end_that_does_not_read_answers_is_not_awaited_for_ever()
    {
        using var connection = new Connection(new EchoDevice(), Impatient);
        var getFeatures = RawFrontEnd.Bytes(1, 1, 0, []);
        void SendForEver()
        {
            while (true)
            {
                connection.Socket.Send(getFeatures);
            }
        }

        Assert.Throws<LinuxException>(SendForEver);
        Assert.Contains("does not read", Assert.IsType<VhostUserException>(connection.WaitForEnd()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Descriptors_of_a_message_are_closed_before_its_answer()
    {
        using var files = MemFd.Create("left", 4096);
        using var connection = new Connection(new EchoDevice());
        var front = new RawFrontEnd(connection.Socket);
        front.Negotiate();
        var before = ProcessResources.CountDescriptors();
        Assert.Equal(0UL, front.Tell(FrontEndRequest.SetOwner, [], [.. Enumerable.Repeat(files, 8)]));
        Assert.Equal(before, ProcessResources.CountDescriptors());
        front.Send((uint)FrontEndRequest.GetFeatures, 1, [], [.. Enumerable.Repeat(files, 8)]);
        Assert.NotNull(front.Receive());
        Assert.Equal(before, ProcessResources.CountDescriptors());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_request_that_is_not_answered_is_given_up_and_the_connection_goes_on(bool half)
    {
        using var guest = new Guest();
        using var arena = MemFd.Create("arena", 1 << 20);
        var device = new EchoDevice();
        device.Regions.Add(new SharedMemoryRegion(arena, 1 << 20));
        using var connection = new Connection(device, Impatient);
        var (mine, theirs) = UnixSocket.Pair();
        using (mine)
        {
            using (theirs)
            {
                var front = new RawFrontEnd(connection.Socket);
                front.Negotiate();
                Assert.Equal(0UL, front.Tell(FrontEndRequest.SetBackEndRequestDescriptor, [], theirs.Descriptor));
            }

            using var wrapped = new FrontEnd(connection.Socket);
            guest.Start(wrapped);
            var channel = new RawFrontEnd(mine);
            Assert.Equal((uint)BackEndRequest.SharedMemoryMap, channel.Receive()!.Request);
            if (half)
            {
                mine.Send([9, 0, 0, 0]);
            }

            connection.ExpectAtLast("region 0 failed: The front-end did not answer SharedMemoryMap within 0.3 seconds.");
            Assert.Null(channel.Receive());
            Assert.Equal([1], guest.Echo(0, [1]));
        }
    }

    [Fact]
    public void A_channel_that_nobody_reads_is_given_up()
    {
        using var guest = new Guest();
        var device = new EchoDevice();
        using var connection = new Connection(device, Impatient);
        using var frontEnd = connection.Negotiate();
        var (mine, theirs) = UnixSocket.Pair();
        using (mine)
        {
            using (theirs)
            {
                // Full, with what looks like requests of the back-end.
                theirs.SendTimeout = TimeSpan.Zero;
                Assert.Throws<LinuxException>(() => theirs.Send(new byte[8 << 20]));
                var front = new RawFrontEnd(connection.Socket);
                Assert.Equal(0UL, front.Tell(FrontEndRequest.SetBackEndRequestDescriptor, [], theirs.Descriptor));
            }

            guest.Start(frontEnd);
            connection.BackEnd.NotifyConfigurationChanged();
            Assert.True(SpinWait.SpinUntil(() => !connection.BackEnd.NotifyConfigurationChanged(), Connection.Patience));
            Assert.Equal([1], guest.Echo(0, [1]));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0.3)]
    public void A_time_of_nothing_is_no_time_and_not_for_ever(double milliseconds)
    {
        var time = TimeSpan.FromMilliseconds(milliseconds);
        var (first, second) = UnixSocket.Pair();
        using (first)
        using (second)
        using (var none = new ReceivedDescriptors(0))
        {
            first.ReceiveTimeout = first.SendTimeout = time;
            Assert.Equal(Errno.EAGAIN, Assert.Throws<LinuxException>(() => first.Receive(new byte[1], none)).Errno);
            Assert.Equal(Errno.EAGAIN, Assert.Throws<LinuxException>(() => first.Send(new byte[8 << 20])).Errno);
            second.Send([1]);
            Assert.Equal(1, first.Receive(new byte[1], none));
        }

        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "s");
        using var listener = UnixSocket.Listen(path);
        var waiting = new List<UnixSocket>();

        void ConnectForEver()
        {
            while (true)
            {
                waiting.Add(UnixSocket.Connect(path, time)); // until the queue is full
            }
        }

        try
        {
            Assert.Equal(Errno.EAGAIN, Assert.Throws<LinuxException>(ConnectForEver).Errno);
        }
        finally
        {
            waiting.ForEach(socket => socket.Dispose());
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => UnixSocket.Connect(path, TimeSpan.FromSeconds(-1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => listener.ReceiveTimeout = TimeSpan.FromSeconds(-1));
        listener.ReceiveTimeout = Timeout.InfiniteTimeSpan;
        listener.ReceiveTimeout = TimeSpan.MaxValue;
    }

    [Fact]
    public void A_peer_that_shares_the_socket_cannot_cut_a_wait_short()
    {
        var (first, second) = UnixSocket.Pair();
        using (first)
        using (second)
        using (var none = new ReceivedDescriptors(0))
        using (var copy = first.Descriptor.Duplicate())
        {
            copy.SetNonBlocking(true);
            var receiver = new Thread(() => Assert.Equal(1, first.Receive(new byte[1], none)));
            receiver.Start();
            second.Send([1]);
            Assert.True(receiver.Join(Connection.Patience));
        }
    }
}
