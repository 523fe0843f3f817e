// memfds: size, seals, holes.
using Virtio.Linux;
using Xunit;

namespace Virtio.Tests.Linux;

public class MemFdTests
{
    private const ulong MiB = 1 << 20;

    [Fact]
    public void A_new_memfd_has_its_size_and_seals()
    {
        using var memory = MemFd.Create("size", 3 * MiB);
        Assert.Equal(3 * MiB, memory.Size);
        Assert.Equal(Seals.Grow | Seals.Shrink, MemFd.GetSeals(memory));
    }

    [Fact]
    public void A_file_that_cannot_be_sealed_has_no_seals()
    {
        using var file = LinuxFile.Open("/dev/null");
        Assert.Equal(Seals.None, MemFd.GetSeals(file.Descriptor));
    }

    [Fact]
    public void A_punched_hole_reads_zero_and_its_neighbours_stay()
    {
        using var memory = MemFd.Create("hole", MiB);
        using var mapping = Mapping.Map(memory, 0, MiB);
        mapping.GetSpan(0, (int)MiB).Fill(0xab);

        MemFd.PunchHole(memory, 4096, 8192);

        Assert.Equal(0xab, mapping.GetSpan(4095, 1)[0]);
        Assert.Equal(-1, mapping.GetSpan(4096, 8192).IndexOfAnyExcept((byte)0));
        Assert.Equal(0xab, mapping.GetSpan(4096 + 8192, 1)[0]);
    }

    [Fact]
    public void A_duplicate_is_the_same_file_and_another_memfd_is_not()
    {
        using var memory = MemFd.Create("one", MiB);
        using var duplicate = memory.Duplicate();
        using var other = MemFd.Create("one", MiB);
        Assert.Equal(memory.Identity, duplicate.Identity);
        Assert.NotEqual(memory.Identity, other.Identity);
    }

    [Fact]
    public void A_hole_beyond_what_a_file_can_have_is_refused()
    {
        using var memory = MemFd.Create("range", MiB);
        Assert.Throws<ArgumentOutOfRangeException>(() => MemFd.PunchHole(memory, ulong.MaxValue, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => MemFd.PunchHole(memory, long.MaxValue, 1));
    }

    [Fact]
    public void A_failure_names_the_operation_and_the_error()
    {
        using var file = LinuxFile.Open("/dev/null");
        var failure = Assert.Throws<LinuxException>(() => MemFd.PunchHole(file.Descriptor, 0, 4096));
        Assert.Contains("fallocate", failure.Message, StringComparison.Ordinal);
        Assert.Contains(failure.Errno.ToString(), failure.Message, StringComparison.Ordinal);
        Assert.NotEqual(Errno.None, failure.Errno);
    }
}
