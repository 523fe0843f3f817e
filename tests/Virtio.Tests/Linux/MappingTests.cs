// Mappings: the same bytes for all, and never a byte beyond.
using Virtio.Linux;
using Xunit;

namespace Virtio.Tests.Linux;

public class MappingTests
{
    [Theory]
    [InlineData(0UL, 4096UL)]
    [InlineData(4096UL, 8192UL)]
    [InlineData(100UL, 5000UL)]
    public void A_mapping_shows_its_range_of_the_file(ulong offset, ulong length)
    {
        using var memory = MemFd.Create("range", 1 << 16);
        using var whole = Mapping.Map(memory, 0, 1 << 16);
        using var part = Mapping.Map(memory, offset, length);

        whole.GetSpan(offset, 1)[0] = 1;
        whole.GetSpan(offset + length - 1, 1)[0] = 2;

        var all = part.GetSpan(0, (int)length);
        Assert.Equal(1, all[0]);
        Assert.Equal(2, all[^1]);
        Assert.Equal(length, part.Length);
    }

    [Fact]
    public void Sixty_four_GiB_can_be_mapped_and_touched_at_both_ends()
    {
        const ulong length = 64UL << 30;
        using var memory = MemFd.Create("large", length);
        using var mapping = Mapping.Map(memory, 0, length);
        mapping.GetSpan(0, 1)[0] = 1;
        mapping.GetSpan(length - 1, 1)[0] = 2;
        Assert.Equal(2, mapping.GetSpan(length - 4096, 4096)[4095]);
    }

    [Theory]
    [InlineData(0UL, 4097)]
    [InlineData(1UL, 4096)]
    [InlineData(4096UL, 1)]
    [InlineData(4097UL, 0)]
    [InlineData(ulong.MaxValue, 1)]
    [InlineData(ulong.MaxValue, 0)]
    [InlineData(0UL, -1)]
    public void A_part_that_is_not_inside_is_refused(ulong offset, int length)
    {
        using var memory = MemFd.Create("bounds", 4096);
        using var mapping = Mapping.Map(memory, 0, 4096);
        Assert.Throws<ArgumentOutOfRangeException>(() => { mapping.GetSpan(offset, length); });
        Assert.Throws<ArgumentOutOfRangeException>(() => { mapping.GetMemory(offset, length); });
    }

    [Fact]
    public void A_disposed_mapping_gives_no_bytes()
    {
        using var memory = MemFd.Create("disposed", 4096);
        var mapping = Mapping.Map(memory, 0, 4096);
        var kept = mapping.GetMemory(0, 4096);
        mapping.Dispose();
        Assert.Throws<ObjectDisposedException>(() => { mapping.GetSpan(0, 1); });
        Assert.Throws<ObjectDisposedException>(() => { _ = kept.Span; });
        Assert.Throws<ObjectDisposedException>(() => mapping.Address);
        mapping.Dispose();
    }

    [Fact]
    public void Memory_of_a_mapping_is_the_same_bytes()
    {
        using var memory = MemFd.Create("memory", 8192);
        using var mapping = Mapping.Map(memory, 0, 8192);
        var part = mapping.GetMemory(4096, 4096);
        part.Span[5] = 7;
        Assert.Equal(7, mapping.GetSpan(4101, 1)[0]);
        using var pinned = part[5..].Pin();
        Assert.Equal(4091, part[5..].Length);
    }

    [Fact]
    public void A_window_shows_what_was_mapped_last()
    {
        using FileDescriptor first = MemFd.Create("first", 8192), second = MemFd.Create("second", 8192);
        using Mapping firstBytes = Mapping.Map(first, 0, 8192), secondBytes = Mapping.Map(second, 0, 8192);
        firstBytes.GetSpan(4096, 1)[0] = 1;
        secondBytes.GetSpan(0, 1)[0] = 2;
        using var window = AddressWindow.Reserve(1 << 20);

        window.Map(8192, first, 4096, 4096, MapAccess.ReadWrite);
        Assert.Equal(1, window.GetSpan(8192, 1)[0]);
        window.Map(8192, second, 0, 8192, MapAccess.Read);
        Assert.Equal(2, window.GetSpan(8192, 1)[0]);
        window.Unmap(8192, 8192);
        Assert.Equal(0, ProcessResources.CountMappings("first") - 1);
    }

    [Fact]
    public void A_window_refuses_what_is_outside_or_not_aligned()
    {
        using var memory = MemFd.Create("window", 1 << 20);
        using var window = AddressWindow.Reserve(1 << 16);
        Assert.Throws<ArgumentOutOfRangeException>(() => window.Map(1 << 16, memory, 0, 4096, MapAccess.Read));
        Assert.Throws<ArgumentOutOfRangeException>(() => window.Map(0, memory, 0, (1 << 16) + 4096, MapAccess.Read));
        Assert.Throws<ArgumentOutOfRangeException>(() => window.Map(100, memory, 0, 4096, MapAccess.Read));
        Assert.Throws<ArgumentOutOfRangeException>(() => window.Map(0, memory, 100, 4096, MapAccess.Read));
        Assert.Throws<ArgumentOutOfRangeException>(() => window.Map(0, memory, 0, 0, MapAccess.Read));
        Assert.Throws<ArgumentOutOfRangeException>(() => window.Unmap(ulong.MaxValue - 4095, 4096));
    }
}
