// Which parts of the arena are free.
using FsCheck.Xunit;
using VirtioUser.Host.Memory;

namespace VirtioUser.Host.Tests.Memory;

public class RangeAllocatorTests
{
    private const int Units = 64;

    [Property(MaxTest = 300)]
    public void Ranges_never_overlap_none_is_refused_that_fits_and_all_grow_together_again(byte[] steps)
    {
        var ranges = new RangeAllocator(Units);
        var owner = new int[Units]; // the model: one number for each unit
        var taken = new List<(ulong Start, ulong Size)>();

        for (var step = 0; step < steps.Length; step++)
        {
            if (steps[step] % 2 == 0)
            {
                var size = 1 + (steps[step] / 2 % 20);
                var alignment = 1 << (step % 5);
                var fits = Fits(owner, size, alignment);
                Assert.Equal(fits, ranges.TryTake((ulong)size, out var start, (ulong)alignment));
                if (fits)
                {
                    Assert.Equal(0, (int)start % alignment);
                    var range = owner.AsSpan((int)start, size);
                    Assert.Equal(-1, range.IndexOfAnyExcept(0));
                    range.Fill(step + 1);
                    taken.Add((start, (ulong)size));
                }
            }
            else if (taken.Count > 0)
            {
                var (start, size) = taken[steps[step] % taken.Count];
                taken.Remove((start, size));
                ranges.Return(start, size);
                owner.AsSpan((int)start, (int)size).Clear();
            }

            Assert.Equal(owner.Count(unit => unit == 0), (int)ranges.Free.Sum(range => (long)range.Size));
            Assert.Equal(owner.Count(unit => unit == 0), (int)ranges.TotalFree);
            Assert.Equal(ranges.Free.Select(range => range.Size).DefaultIfEmpty().Max(), ranges.LongestFree);
            Assert.All(ranges.Free, range => Assert.Equal(-1, owner.AsSpan((int)range.Start, (int)range.Size).IndexOfAnyExcept(0)));
        }

        taken.ForEach(range => ranges.Return(range.Start, range.Size));
        Assert.Equal([(0ul, (ulong)Units)], ranges.Free);
    }

    [Fact]
    public void The_smallest_range_that_fits_is_taken_the_lowest_of_those()
    {
        var ranges = new RangeAllocator(100);
        foreach (var size in new ulong[] { 10, 1, 5, 1, 5, 78 })
        {
            Assert.True(ranges.TryTake(size, out _));
        }

        ranges.Return(0, 10);
        ranges.Return(17, 5);
        ranges.Return(11, 5);

        Assert.True(ranges.TryTake(5, out var start));
        Assert.Equal(11ul, start);
        Assert.True(ranges.TryTake(4, out start));
        Assert.Equal(17ul, start);
        Assert.True(ranges.TryTake(6, out start));
        Assert.Equal(0ul, start);
    }

    [Fact]
    public void The_largest_arena_that_there_can_be_works()
    {
        var ranges = new RangeAllocator(ulong.MaxValue);

        Assert.True(ranges.TryTake(ulong.MaxValue - 1, out var first));
        Assert.True(ranges.TryTake(1, out var second));
        Assert.False(ranges.TryTake(1, out _));
        ranges.Return(second, 1);
        ranges.Return(first, ulong.MaxValue - 1);

        Assert.Equal([(0ul, ulong.MaxValue)], ranges.Free);
    }

    [Fact]
    public void Nothing_is_no_range() => Assert.Throws<ArgumentOutOfRangeException>(() => new RangeAllocator(8).TryTake(0, out _));

    private static bool Fits(int[] owner, int size, int alignment)
    {
        for (var start = 0; start + size <= owner.Length; start += alignment)
        {
            if (owner.AsSpan(start, size).IndexOfAnyExcept(0) < 0)
            {
                return true;
            }
        }

        return false;
    }
}
