// Where packets go in the shared memory.
using FsCheck.Xunit;

namespace VirtioUser.Codec.UnitTests;

public sealed class PacketAreaTests
{
    [Fact]
    public void A_packet_as_large_as_the_area_fits_whenever_nothing_else_is_there()
    {
        PacketArea area = new(1000);
        foreach (var length in new ulong[] { 1000, 7, 1000, 999, 1000 })
        {
            Assert.True(area.TryTake(length, out var offset));
            Assert.Equal(0u, offset);
            area.Release();
        }
    }

    [Fact]
    public void The_end_that_is_too_short_is_skipped_and_comes_back()
    {
        PacketArea area = new(100);
        Assert.True(area.TryTake(60, out _));
        Assert.True(area.TryTake(30, out var second));
        Assert.Equal(60u, second);
        Assert.False(area.TryTake(20, out _));
        area.Release();
        Assert.True(area.TryTake(20, out var third));
        Assert.Equal(0u, third);
        Assert.False(area.TryTake(41, out _));
        Assert.True(area.TryTake(40, out var fourth));
        Assert.Equal(20u, fourth);
    }

    [Fact]
    public void No_more_packets_are_out_than_the_ring_has_entries()
    {
        PacketArea area = new(1 << 20);
        for (var i = 0; i < 64; i++)
            Assert.True(area.TryTake(0, out _));
        Assert.False(area.TryTake(1, out _));
        area.Release();
        Assert.True(area.TryTake(1, out _));
    }

    [Property]
    public void Packets_that_are_out_never_share_a_byte_and_never_leave_the_area(ushort[] steps)
    {
        const ulong size = 1000;
        PacketArea area = new(size);
        Queue<(ulong Begin, ulong End)> taken = new();
        foreach (var step in steps)
        {
            ulong length = step % 501u;
            if (step % 3 == 0 && taken.Count > 0)
            {
                taken.Dequeue();
                area.Release();
            }
            else if (area.TryTake(length, out var offset))
            {
                Assert.True(offset + length <= size);
                Assert.All(taken, other => Assert.True(offset + length <= other.Begin || offset >= other.End || length == 0 || other.Begin == other.End));
                taken.Enqueue((offset, offset + length));
            }
            else
            {
                // Only what is out can be in the way.
                Assert.NotEmpty(taken);
            }

            Assert.Equal(taken.Count, (int)area.Count);
        }
    }
}
