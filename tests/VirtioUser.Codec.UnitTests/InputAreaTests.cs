// Where input goes in the shared memory.
using FsCheck.Xunit;

namespace VirtioUser.Codec.UnitTests;

public sealed class InputAreaTests
{
    [Fact]
    public void All_of_the_area_can_be_taken_at_once_whenever_nothing_else_is_there()
    {
        InputArea area = new(1000);
        foreach (var length in new ulong[] { 1000, 7, 1000, 999, 1000 })
        {
            Assert.True(area.TryTake(length, out var offset, out var taken));
            Assert.Equal((0u, length), (offset, taken));
            area.Release();
        }
    }

    [Fact]
    public void As_much_is_taken_as_there_is_room_for()
    {
        InputArea area = new(100);
        Assert.True(area.TryTake(60, out _, out _));
        Assert.True(area.TryTake(50, out var second, out var length));
        Assert.Equal((60u, 40u), (second, length));
        Assert.False(area.TryTake(1, out _, out _));
        area.Release();
        Assert.True(area.TryTake(1000, out var third, out length));
        Assert.Equal((0u, 60u), (third, length));
    }

    [Fact]
    public void No_more_ranges_are_out_than_the_ring_has_entries()
    {
        InputArea area = new(1 << 20);
        for (var i = 0; i < 64; i++)
        {
            Assert.True(area.TryTake(0, out _, out _));
        }

        Assert.False(area.TryTake(1, out _, out _));
        area.Release();
        Assert.True(area.TryTake(1, out _, out _));
    }

    [Property]
    public void Ranges_that_are_out_never_share_a_byte_and_never_leave_the_area(ushort[] steps)
    {
        const ulong Size = 1000;
        InputArea area = new(Size);
        Queue<(ulong Begin, ulong End)> taken = new();
        foreach (var step in steps)
        {
            ulong most = step % 501u;
            if (step % 3 == 0 && taken.Count > 0)
            {
                taken.Dequeue();
                area.Release();
            }
            else if (area.TryTake(most, out var offset, out var length))
            {
                Assert.InRange(length, most == 0 ? 0 : 1ul, most);
                Assert.True(offset + length <= Size);
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
