// Unix sockets: bytes, descriptors, and what must not leak.
using Virtio.Linux;
using Xunit;

namespace Virtio.Tests.Linux;

public class UnixSocketTests
{
    [Fact]
    public void Both_ends_know_who_made_the_other()
    {
        using var folder = new TemporaryFolder();
        using var listener = UnixSocket.Listen(Path.Combine(folder.Path, "s"));
        using var connected = UnixSocket.Connect(Path.Combine(folder.Path, "s"));
        using var accepted = listener.Accept()!;
        var own = accepted.PeerCredentials;

        Assert.Equal(Environment.ProcessId, own.ProcessId);
        Assert.Equal(own, connected.PeerCredentials);
        Assert.Equal(Environment.UserName == "root", own.UserId == 0);
    }

    [Fact]
    public void Descriptors_arrive_with_their_bytes()
    {
        (var first, var second) = UnixSocket.Pair();
        using (first)
        using (second)
        using (var memory = MemFd.Create("passed", 4096))
        using (var signal = EventFd.Create())
        using (var received = new ReceivedDescriptors(4))
        {
            first.Send([1, 2, 3], [memory, signal.Descriptor]);
            var buffer = new byte[10];
            Assert.Equal(3, second.Receive(buffer, received));
            Assert.Equal([1, 2, 3], buffer.Take(3));
            Assert.Equal(2, received.Count);
            Assert.Equal(memory.Identity, received[0].Identity);
            using var taken = EventFd.FromDescriptor(received.Take(1));
            taken.Signal();
            Assert.True(signal.TryConsume());
            Assert.Throws<InvalidOperationException>(() => received.Take(1));
        }
    }

    [Fact]
    public void Descriptors_that_nobody_takes_are_closed()
    {
        ProcessResources.AssertNothingLeaks(() =>
        {
            (var first, var second) = UnixSocket.Pair();
            using var memory = MemFd.Create("left", 4096);
            using (first)
            using (second)
            using (var received = new ReceivedDescriptors(4))
            {
                first.Send([1], [memory, memory, memory]);
                first.Send([2]);
                second.Receive(new byte[1], received);
                Assert.Equal(3, received.Count);
                second.Receive(new byte[1], received);
                Assert.Equal(0, received.Count);
                first.Send([3], [memory]);
                second.Receive(new byte[1], received);
            }
        });
    }

    [Fact]
    public void More_descriptors_than_wanted_are_refused_and_closed()
    {
        ProcessResources.AssertNothingLeaks(() =>
        {
            (var first, var second) = UnixSocket.Pair();
            using var memory = MemFd.Create("many", 4096);
            using (first)
            using (second)
            using (var received = new ReceivedDescriptors(2))
            {
                first.Send([1], Enumerable.Repeat(memory, UnixSocket.MaximumDescriptors).ToArray());
                Assert.Throws<InvalidDataException>(() => second.Receive(new byte[1], received));
                Assert.Equal(0, received.Count);
            }
        });
    }

    [Fact]
    public void A_large_message_arrives_whole()
    {
        (var first, var second) = UnixSocket.Pair();
        using (first)
        using (second)
        using (var none = new ReceivedDescriptors(0))
        {
            var sent = new byte[4 << 20];
            new Random(1).NextBytes(sent);
            var sender = new Thread(() => first.Send(sent));
            sender.Start();
            var received = new byte[sent.Length];
            for (var count = 0; count < received.Length;)
            {
                count += second.Receive(received.AsSpan(count), none);
            }

            sender.Join();
            Assert.Equal(sent, received);
        }
    }

    [Fact]
    public void Shutdown_wakes_a_receiver_and_ends_the_other_side()
    {
        (var first, var second) = UnixSocket.Pair();
        using (first)
        using (second)
        using (var none = new ReceivedDescriptors(0))
        {
            var received = -1;
            using var other = new ReceivedDescriptors(0);
            var receiver = new Thread(() => received = first.Receive(new byte[1], other));
            receiver.Start();
            first.Shutdown();
            receiver.Join();
            Assert.Equal(0, received);
            Assert.Equal(0, second.Receive(new byte[1], none));
            Assert.Equal(Errno.EPIPE, Assert.Throws<LinuxException>(() => second.Send([1])).Errno);
        }
    }

    [Fact]
    public void A_listener_accepts_and_goes_away_with_its_path()
    {
        var path = Path.Combine(Directory.CreateTempSubdirectory().FullName, "socket");
        using (var listener = UnixSocket.Listen(path))
        {
            Assert.True(listener.IsListening);
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
            using var client = UnixSocket.Connect(path);
            using var server = listener.Accept();
            Assert.NotNull(server);
            Assert.False(server.IsListening);
            client.Send([5]);
            using var none = new ReceivedDescriptors(0);
            var buffer = new byte[1];
            Assert.Equal(1, server.Receive(buffer, none));
            Assert.Equal(5, buffer[0]);
        }
        Assert.False(File.Exists(path));
        Assert.Equal(Errno.ENOENT, Assert.Throws<LinuxException>(() => UnixSocket.Connect(path)).Errno);
        Directory.Delete(Path.GetDirectoryName(path)!);
    }

    [Fact]
    public void A_dead_path_is_taken_over_and_a_live_one_is_not()
    {
        string folder = Directory.CreateTempSubdirectory().FullName, path = Path.Combine(folder, "socket");
        using (var listener = UnixSocket.Listen(path))
        {
            Assert.Equal(Errno.EADDRINUSE, Assert.Throws<LinuxException>(() => UnixSocket.Listen(path)).Errno);
        }

        // A process that dies leaves its path behind.
        using (var dying = UnixSocket.Listen(path))
        {
            dying.Descriptor.Dispose();
        }

        Assert.True(File.Exists(path));
        using (var successor = UnixSocket.Listen(path))
        {
            UnixSocket.Connect(path).Dispose();
        }

        // What is no socket stays.
        File.WriteAllText(path, "precious");
        Assert.Throws<LinuxException>(() => UnixSocket.Listen(path));
        Assert.Equal("precious", File.ReadAllText(path));
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void A_live_path_whose_owner_does_not_accept_is_noticed_at_once()
    {
        string folder = Directory.CreateTempSubdirectory().FullName, path = Path.Combine(folder, "socket");
        using (var listener = UnixSocket.Listen(path))
        {
            // Each attempt leaves a connection in the queue, which holds two.
            for (var i = 0; i < 4; i++)
            {
                var errno = Errno.None;
                var second = new Thread(() => errno = Assert.Throws<LinuxException>(() => UnixSocket.Listen(path)).Errno) { IsBackground = true };
                second.Start();
                Assert.True(second.Join(TimeSpan.FromSeconds(60)), $"Attempt {i} to listen waits for the owner.");
                Assert.Equal(Errno.EADDRINUSE, errno);
            }
        }
        Directory.Delete(folder);
    }

    [Fact]
    public void Accept_ends_when_cancelled()
    {
        var folder = Directory.CreateTempSubdirectory().FullName;
        using (var listener = UnixSocket.Listen(Path.Combine(folder, "socket")))
        using (var cancel = EventFd.Create())
        {
            UnixSocket? accepted = null;
            var acceptor = new Thread(() => accepted = listener.Accept(cancel));
            acceptor.Start();
            cancel.Signal();
            acceptor.Join();
            Assert.Null(accepted);
        }
        Directory.Delete(folder);
    }

    [Fact]
    public void Only_Unix_stream_sockets_can_be_taken_over()
    {
        ProcessResources.AssertNothingLeaks(() =>
        {
            Assert.Equal(Errno.ENOTSOCK, Assert.Throws<LinuxException>(
                () => UnixSocket.FromDescriptor(MemFd.Create("no-socket", 4096))).Errno);
            (var first, var second) = UnixSocket.Pair();
            using (first)
            using (second)
            using (var copy = UnixSocket.FromDescriptor(first.Descriptor.Duplicate()))
            {
                copy.Send([1]);
            }
        });
    }

    [Fact]
    public void A_path_that_does_not_fit_is_refused()
    {
        Assert.Throws<ArgumentException>(() => UnixSocket.Listen("/" + new string('x', 107)));
        Assert.Throws<ArgumentException>(() => UnixSocket.Connect(""));
    }
}
