// Files that a front-end must not be able to have mapped: touching them could end the process.
using System.Diagnostics;
using System.Runtime.InteropServices;
using Virtio.Linux;
using Virtio.VhostUser;
using Virtio.VhostUser.Messages;
using Xunit;

namespace Virtio.Tests.VhostUser;

public class MemoryFileTests
{
    private const ulong Length = 8 << 20, Page = 4096, Huge = 2 << 20;

    /// <summary>Name of a kind of file, and what its refusal says.</summary>
    public static TheoryData<string, string> UnsafeFiles => new()
    {
        { "unsealed", "not sealed against shrinking" },
        { "sealed against growing only", "not sealed against shrinking" },
        { "huge pages", "hugetlbfs" },
        { "huge pages, unsealed", "not sealed against shrinking" },
        { "sealed against writing", "cannot be mapped: mmap" },
        { "sealed against future writing", "cannot be mapped: mmap" },
        { "read only", "cannot be mapped: mmap" },
        { "write only", "cannot be mapped: mmap" },
        { "path only", "EBADF" },
        { "secret memory", "not sealed against shrinking" },
        { "file on a disk", "not sealed against shrinking" },
        { "file in tmpfs", "not sealed against shrinking" },
        { "/dev/zero", "not sealed against shrinking" },
        { "/dev/null", "not sealed against shrinking" },
        { "/dev/mem", "not sealed against shrinking" },
        { "folder", "not sealed against shrinking" },
        { "pipe", "not sealed against shrinking" },
        { "socket", "not sealed against shrinking" },
        { "eventfd", "not sealed against shrinking" },
        { "a page too short", "ends at byte 8388608 of a file of 8384512" },
        { "a byte too short", "ends at byte 8388608 of a file of 8388607" },
        { "empty", "of a file of 0" },
    };

    [Theory]
    [MemberData(nameof(UnsafeFiles))]
    public void A_file_whose_pages_may_be_missing_is_refused_and_the_connection_goes_on(string kind, string reason)
    {
        using var folder = new TemporaryFolder();
        using var file = Make(kind, folder.Path);
        Assert.SkipWhen(file is null, $"this machine has no {kind}");
        using var connection = new Connection(new EchoDevice());
        var front = new RawFrontEnd(connection.Socket);
        front.Negotiate();

        Assert.NotEqual(0UL, front.Tell(FrontEndRequest.SetMemoryTable, Region(1UL << 32, Length, 0), file));

        Assert.Contains(reason, connection.NextEvent(), StringComparison.Ordinal);
        using var guest = new Guest();
        using var frontEnd = new FrontEnd(connection.Socket);
        guest.Start(frontEnd);
        Assert.Equal([1], guest.Echo(0, [1]));
    }

    [Fact]
    public void A_file_that_shrinks_and_is_then_sealed_between_any_two_questions_is_refused()
    {
        var rules = new MemoryRules(new BackEndOptions(), new EchoDevice());
        for (var questions = 0; questions <= 4; questions++)
        {
            var file = new ShrinkingFile(Length, questions);
            try
            {
                rules.Check(0, new MemoryRegionMessage(0, Length, 0, 0), file);
            }
            catch (VhostUserException)
            {
                continue;
            }

            Assert.Equal(Length, file.SizeInTheEnd); // what was accepted is there
        }
    }

    [Fact]
    public void A_file_that_is_shrunk_and_sealed_meanwhile_never_gets_in()
    {
        using var connection = new Connection(new EchoDevice());
        var front = new RawFrontEnd(connection.Socket);
        front.Negotiate();
        var random = new Random(1);
        var began = Stopwatch.GetTimestamp();
        for (var i = 0; i < 1500 && Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(3); i++)
        {
            using var file = MemFd.Create("race", Length, Seals.None);
            front.Send((uint)FrontEndRequest.SetMemoryTable, RawFrontEnd.NeedReply, Region(1UL << 32, Length, 0), file);
            Thread.SpinWait(random.Next(3000));
            Syscalls.Truncate(file, 0);
            Assert.True(Syscalls.TrySeal(file, Seals.Shrink));
            Assert.NotEqual(0UL, BitConverter.ToUInt64(front.Receive()!.Payload));
            connection.NextEvent();
        }
    }

    [Fact]
    public void Holes_in_sealed_memory_read_zero_and_come_back()
    {
        using var file = MemFd.Create("holes", Length);
        using var connection = new Connection(new EchoDevice());
        using var frontEnd = connection.Negotiate();
        frontEnd.SetMemoryTable([new FrontEndMemory(file, 0, 1UL << 32, 0, Length)]);
        Assert.True(connection.BackEnd.Memory.TryGetSpan(1UL << 32, (uint)Length, out var bytes));
        bytes.Fill(7);

        MemFd.PunchHole(file, 0, Length);

        Assert.False(Syscalls.TrySeal(file, Seals.None) && file.Size != Length);
        Assert.Equal(-1, bytes.IndexOfAnyExcept((byte)0));
        bytes.Fill(8);
    }

    [Fact]
    public void Seals_that_are_set_later_take_nothing_away_from_what_is_mapped()
    {
        using var file = MemFd.Create("later", Length);
        using var connection = new Connection(new EchoDevice());
        using var frontEnd = connection.Negotiate();
        frontEnd.SetMemoryTable([new FrontEndMemory(file, 0, 1UL << 32, 0, Length)]);

        Assert.False(Syscalls.TrySeal(file, Seals.Write)); // the mapping is in the way
        Assert.True(Syscalls.TrySeal(file, Seals.FutureWrite));

        Assert.True(connection.BackEnd.Memory.TryGetSpan(1UL << 32, (uint)Length, out var bytes));
        bytes.Fill(9);
        Assert.ThrowsAny<Exception>(() => frontEnd.SetMemoryTable([new FrontEndMemory(file, Page, 1UL << 32, 0, Length - Page)]));
        bytes.Fill(10);
    }

    [Fact]
    public void A_file_whose_size_is_no_multiple_of_a_page_is_used_up_to_its_last_whole_page()
    {
        using var file = MemFd.Create("odd", Length + 100);
        using var connection = new Connection(new EchoDevice());
        using var frontEnd = connection.Negotiate();
        frontEnd.SetMemoryTable([new FrontEndMemory(file, 0, 1UL << 32, 0, Length)]);
        Assert.True(connection.BackEnd.Memory.TryGetSpan(1UL << 32, (uint)Length, out var bytes));
        bytes.Fill(1);
        Assert.Throws<VhostUserException>(() => frontEnd.SetMemoryTable([new FrontEndMemory(file, 0, 1UL << 32, 0, Length + Page)]));
    }

    [Fact]
    public void Huge_pages_of_a_trusted_front_end_must_be_there_when_they_are_mapped()
    {
        using var file = Make("huge pages", "")!;
        using var connection = new Connection(new EchoDevice(), new BackEndOptions { TrustFrontEnd = true });
        var front = new RawFrontEnd(connection.Socket);
        front.Negotiate();
        var free = FreeHugePages();
        var refused = front.Tell(FrontEndRequest.SetMemoryTable, Region(1UL << 32, Length, 0), file) != 0;
        Assert.Equal(free < (int)(Length / Huge), refused);
    }

    /// <summary>What the back-end's mapping of a front-end's memory must be, its front-end must ask of the back-end's too.</summary>
    [Theory]
    [InlineData("unsealed")]
    [InlineData("huge pages")]
    [InlineData("file on a disk")]
    [InlineData("path only")]
    public void A_back_end_cannot_have_such_files_mapped_either(string kind)
    {
        using var folder = new TemporaryFolder();
        using var file = Make(kind, folder.Path)!;
        using var backEnd = new ScriptedBackEnd();
        using var device = RemoteDevice.Connect(backEnd.SocketPath);
        Assert.False(backEnd.Map(0, 0, 0, 4096, 1, file));
    }

    private static FileDescriptor? Make(string kind, string folder)
    {
        using var sealedFile = MemFd.Create("sealed", Length);
        switch (kind)
        {
            case "unsealed":
                return MemFd.Create(kind, Length, Seals.None);
            case "sealed against growing only":
                return MemFd.Create(kind, Length, Seals.Grow);
            case "huge pages":
                return Syscalls.NewMemFd(kind, Syscalls.AllowSealing | Syscalls.HugePages, Length, Seals.Shrink | Seals.Grow);
            case "huge pages, unsealed":
                return Syscalls.NewMemFd(kind, Syscalls.HugePages, Length, Seals.None);
            case "sealed against writing":
                return MemFd.Create(kind, Length, Seals.Shrink | Seals.Write);
            case "sealed against future writing":
                return MemFd.Create(kind, Length, Seals.Shrink | Seals.FutureWrite);
            case "read only":
                return Syscalls.OpenAgain(sealedFile, Syscalls.OpenReadOnly);
            case "write only":
                return Syscalls.OpenAgain(sealedFile, Syscalls.OpenWriteOnly);
            case "path only":
                return Syscalls.OpenAgain(sealedFile, Syscalls.OpenPathOnly);
            case "secret memory":
                return Syscalls.NewSecretMemory(Length);
            case "file on a disk":
                return NewFile(Path.Combine(folder, "file"));
            case "file in tmpfs":
                return Directory.Exists("/dev/shm") ? NewFile($"/dev/shm/virtio-test-{Environment.ProcessId}") : null;
            case "/dev/zero" or "/dev/null":
                return Syscalls.Open(kind, Syscalls.OpenReadWrite);
            case "/dev/mem":
                return TryOpen(kind);
            case "folder":
                return Syscalls.Open("/", Syscalls.OpenReadOnly);
            case "pipe":
                return Syscalls.Open("/proc/self/fd/" + Pipe.Value.SafePipeHandle.DangerousGetHandle(), Syscalls.OpenWriteOnly);
            case "socket":
                var (first, second) = UnixSocket.Pair();
                second.Dispose();
                return first.Descriptor;
            case "eventfd":
                return EventFd.Create().Descriptor;
            case "a page too short":
                return MemFd.Create(kind, Length - Page);
            case "a byte too short":
                return MemFd.Create(kind, Length - 1);
            default:
                return MemFd.Create(kind, 0);
        }
    }

    private static Lazy<System.IO.Pipes.AnonymousPipeServerStream> Pipe { get; } = new();

    private static FileDescriptor? TryOpen(string path)
    {
        try
        {
            return Syscalls.Open(path, Syscalls.OpenReadWrite);
        }
        catch (LinuxException)
        {
            return null;
        }
    }

    private static FileDescriptor NewFile(string path)
    {
        using (var file = File.Create(path))
        {
            file.SetLength((long)Length);
        }

        var opened = Syscalls.Open(path, Syscalls.OpenReadWrite);
        File.Delete(path);
        return opened;
    }

    private static int FreeHugePages() => File.Exists("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")
        ? int.Parse(File.ReadAllText("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"), System.Globalization.CultureInfo.InvariantCulture)
        : 0;

    private static byte[] Region(ulong guestAddress, ulong length, ulong fileOffset) =>
        MemoryMarshal.AsBytes<ulong>([1, guestAddress, length, 0, fileOffset]).ToArray();

    /// <summary>A front-end that is quick: after so many questions it shrinks its file and seals it.</summary>
    private sealed class ShrinkingFile(ulong size, int questions) : ISharedFile
    {
        private ulong _size = size;
        private Seals _seals;
        private int _asked;

        public Seals Seals => After(_seals);

        public FileSystemKind FileSystem => After(FileSystemKind.Tmpfs);

        public ulong Size => After(_size);

        public FileIdentity Identity => After(new FileIdentity(1, 1));

        public ulong SizeInTheEnd
        {
            get
            {
                After(0);
                return _size;
            }
        }

        private T After<T>(T answer)
        {
            if (_asked++ == questions)
            {
                (_size, _seals) = (0, Seals.Shrink);
            }

            return answer;
        }
    }
}
