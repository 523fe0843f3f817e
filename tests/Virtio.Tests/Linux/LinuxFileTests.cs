// Device files, on the pseudo-terminal that every Linux has.
using Virtio.Linux;
using Xunit;

namespace Virtio.Tests.Linux;

public class LinuxFileTests
{
    // TIOCGPTN: _IOR('T', 0x30, unsigned int), and TIOCSPTLCK: _IOW('T', 0x31, int)
    private const uint GetNumber = 0x80045430, SetLock = 0x40045431;

    [Fact]
    public void Read_write_and_ioctl_reach_the_device()
    {
        using var master = LinuxFile.Open("/dev/ptmx");
        var unlocked = 0;
        Assert.Equal(0, master.Ioctl(SetLock, ref unlocked));
        var number = uint.MaxValue;
        Assert.Equal(0, master.Ioctl(GetNumber, ref number));
        using var slave = LinuxFile.Open($"/dev/pts/{number}");
        Assert.Equal(6, master.Write("hello\n"u8));
        var line = new byte[100];
        var length = slave.Read(line);
        Assert.Equal("hello\n"u8.ToArray(), line[..length]);
    }

    [Fact]
    public void Failures_name_the_path_and_the_error()
    {
        var missing = Assert.Throws<LinuxException>(() => LinuxFile.Open("/dev/does-not-exist"));
        Assert.Equal(Errno.ENOENT, missing.Errno);
        Assert.Contains("/dev/does-not-exist", missing.Message, StringComparison.Ordinal);
        using var file = LinuxFile.Open("/dev/null");
        uint number = 0;
        var wrong = Assert.Throws<LinuxException>(() => file.Ioctl(GetNumber, ref number));
        Assert.Equal(Errno.ENOTTY, wrong.Errno);
        Assert.Contains("/dev/null", wrong.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_structure_smaller_than_the_request_says_is_refused()
    {
        using var file = LinuxFile.Open("/dev/null");
        Assert.Throws<ArgumentException>(() => file.Ioctl(GetNumber, new byte[3]));
    }

    [Fact]
    public void A_non_blocking_file_says_so_instead_of_waiting()
    {
        using var master = LinuxFile.Open("/dev/ptmx", nonBlocking: true);
        Assert.False(master.TryRead(new byte[10], out _));
        Assert.Equal(Errno.EAGAIN, Assert.Throws<LinuxException>(() => master.Read(new byte[10])).Errno);
        Assert.Equal(PollEvents.None, master.Poll(PollEvents.In, 0));
        Assert.Equal(PollEvents.Out, master.Poll(PollEvents.In | PollEvents.Out, 0));
        Assert.True(master.TryWrite("x"u8, out var written));
        Assert.Equal(1, written);
    }

    [Fact]
    public void A_wait_ends_when_cancelled()
    {
        using var master = LinuxFile.Open("/dev/ptmx");
        using var cancel = EventFd.Create();
        var result = PollEvents.In;
        var waiter = new Thread(() => result = master.Poll(PollEvents.In, -1, cancel));
        waiter.Start();
        cancel.Signal();
        waiter.Join();
        Assert.Equal(PollEvents.None, result);
    }
}
