// Sockets in the file system: who makes them, who removes them.
using Virtio.Linux;
using Xunit;

namespace Virtio.Tests.Linux;

public class SocketPathTests
{
    [Fact]
    public void Of_those_who_find_a_dead_socket_at_once_one_listens()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "s");
        for (var round = 0; round < 100; round++)
        {
            LeaveDead(path);
            using var start = new Barrier(6);
            var listeners = new UnixSocket?[6];
            var failures = new Exception?[6];
            Thread[] threads = [.. Enumerable.Range(0, 6).Select(i => new Thread(() =>
            {
                start.SignalAndWait();
                failures[i] = Record.Exception(() => listeners[i] = UnixSocket.Listen(path));
            }))];
            Array.ForEach(threads, thread => thread.Start());
            Array.ForEach(threads, thread => thread.Join());

            using var winner = Assert.Single(listeners, listener => listener is not null)!;
            Assert.All(failures.Where((_, i) => listeners[i] is null), failure => Assert.Equal(Errno.EADDRINUSE, Assert.IsType<LinuxException>(failure).Errno));
            AssertListens(winner, path);
        }

        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
    }

    [Fact]
    public void A_socket_leaves_its_successor_s_name_alone()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "s");
        var first = UnixSocket.Listen(path);
        File.Delete(path);
        using (var second = UnixSocket.Listen(path))
        {
            first.Dispose();
            using var client = UnixSocket.Connect(path);
        }

        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
    }

    [Fact]
    public void A_socket_leaves_alone_what_somebody_has_put_in_its_place()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "s");
        using (var socket = UnixSocket.Listen(path))
        {
            File.Delete(path);
            File.WriteAllText(path, "precious");
        }

        Assert.Equal("precious", File.ReadAllText(path));
    }

    [Fact]
    public void A_socket_whose_folder_is_gone_closes_all_the_same()
    {
        var folder = new TemporaryFolder();
        using var socket = UnixSocket.Listen(Path.Combine(folder.Path, "s"));
        folder.Dispose();
    }

    [Fact]
    public void A_lock_that_a_killed_process_left_is_in_nobody_s_way()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "s");
        File.WriteAllText(path + ".lock", "");
        LeaveDead(path);
        using (var socket = UnixSocket.Listen(path))
        {
            UnixSocket.Connect(path).Dispose();
        }

        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
    }

    [Theory]
    [InlineData("file")]
    [InlineData("folder")]
    [InlineData("link to a dead socket")]
    [InlineData("link to nothing")]
    [InlineData("pipe")]
    public void What_is_no_socket_stays(string kind)
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "s");
        switch (kind)
        {
            case "file":
                File.WriteAllText(path, "precious");
                break;
            case "folder":
                Directory.CreateDirectory(path);
                break;
            case "pipe":
                System.Diagnostics.Process.Start("mkfifo", path).WaitForExit();
                break;
            default:
                File.CreateSymbolicLink(path, path + "2");
                if (kind == "link to a dead socket")
                {
                    LeaveDead(path + "2");
                }

                break;
        }

        var failure = Assert.Throws<LinuxException>(() => UnixSocket.Listen(path));
        Assert.Equal(Errno.EADDRINUSE, failure.Errno);
        Assert.Contains("not a socket", failure.Message, StringComparison.Ordinal);
        Assert.True(new FileInfo(path).LinkTarget is not null || File.Exists(path) || Directory.Exists(path));
        Assert.False(File.Exists(path + ".lock"));
    }

    [Fact]
    public void A_folder_that_does_not_exist_is_named()
    {
        var failure = Assert.Throws<LinuxException>(() => UnixSocket.Listen("/nowhere/at/all"));
        Assert.Equal(Errno.ENOENT, failure.Errno);
        Assert.Contains("/nowhere/at/all:", failure.Message, StringComparison.Ordinal);
        Assert.Equal(Errno.ENOTDIR, Assert.Throws<LinuxException>(() => UnixSocket.Listen("/etc/hostname/s")).Errno);
    }

    [Fact]
    public void An_inherited_socket_is_not_inherited_further()
    {
        var (first, second) = UnixSocket.Pair();
        using (second)
        {
            var number = first.Descriptor.DangerousGetHandle();
            Syscalls.MakeInheritable(first.Descriptor);
            Assert.DoesNotContain("02000000", Flags(number), StringComparison.Ordinal);
            using var taken = UnixSocket.FromDescriptor(first.Descriptor);
            Assert.Contains("0200000", Flags(number), StringComparison.Ordinal);
        }

        static string Flags(nint number) => File.ReadLines($"/proc/self/fdinfo/{number}").Single(line => line.StartsWith("flags:", StringComparison.Ordinal));
    }

    private static void AssertListens(UnixSocket listener, string path)
    {
        // Those who looked for a dead socket are in the queue.
        while (listener.TryAccept(out _) is { } looked)
        {
            looked.Dispose();
        }

        using var client = UnixSocket.Connect(path, TimeSpan.Zero);
        using var server = listener.TryAccept(out _);
        Assert.NotNull(server);
    }

    private static void LeaveDead(string path)
    {
        var dying = UnixSocket.Listen(path);
        dying.Descriptor.Dispose();
        Assert.True(File.Exists(path));
    }
}
