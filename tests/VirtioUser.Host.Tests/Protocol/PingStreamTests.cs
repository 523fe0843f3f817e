// Shared memory as a device sees it.
using VirtioUser.Devices;
using VirtioUser.Host.Tests.Support;

namespace VirtioUser.Host.Tests.Protocol;

public class PingStreamTests
{
    private readonly HeapMemory _memory = new(100);

    [Fact]
    public void A_stream_reads_and_writes_the_bytes_in_place()
    {
        using var stream = NewPing(10, 20).OpenStream(5, 8);
        stream.Write([1, 2, 3]);
        stream.Position = 6;
        stream.Write([9, 9]);
        stream.Seek(-8, SeekOrigin.End);
        var all = new byte[100];

        Assert.Equal(8, stream.Read(all));
        Assert.Equal(0, stream.Read(all));
        Assert.Equal([1, 2, 3, 0, 0, 0, 9, 9], all.AsSpan(0, 8).ToArray());
        Assert.Equal([1, 2, 3], _memory.GetSpan(15, 3).ToArray());
    }

    [Fact]
    public void A_stream_refuses_more_than_it_holds_and_writes_nothing_then()
    {
        using var stream = NewPing(10, 20).OpenStream(16, 4);

        Assert.Throws<NotSupportedException>(() => stream.Write([1, 2, 3, 4, 5]));
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.Position = 5);
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.Position = -1);
        Assert.Throws<NotSupportedException>(() => stream.SetLength(9));

        Assert.Equal(-1, _memory.GetSpan(0, 100).IndexOfAnyExcept((byte)0));
    }

    [Theory]
    [InlineData(0ul, 21)]
    [InlineData(20ul, 1)]
    [InlineData(21ul, 0)]
    [InlineData(ulong.MaxValue, 1)]
    [InlineData(ulong.MaxValue - 9, 10)]
    [InlineData(0ul, -1)]
    public void A_part_outside_of_the_named_bytes_is_refused(ulong offset, int length)
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => NewPing(10, 20).Slice(offset, length).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => NewPing(10, 20).OpenStream(offset, (ulong)length));
    }

    private AsyncPing NewPing(ulong offset, ulong length) => new(0, 0, 1, 0, new SharedRange(_memory, offset, length));
}
