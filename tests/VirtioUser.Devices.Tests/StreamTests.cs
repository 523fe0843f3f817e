// The stream over a ping's bytes.
using Xunit;

namespace VirtioUser.Devices.Tests;

public class StreamTests
{
    [Fact]
    public void It_reads_and_writes_the_part_and_nothing_else()
    {
        var memory = new Bytes(100);
        using var stream = new Ping(0, 0, 1, 0, new SharedRange(memory, 10, 80)).OpenStream(5, 20);

        stream.Write([1, 2, 3]);
        stream.Position = 1;
        var read = new byte[30];
        Assert.Equal(19, stream.Read(read));

        Assert.Equal([2, 3, 0], read[..3]);
        Assert.Equal([0, 1, 2, 3, 0], memory.Array[14..19]);
        Assert.Equal(0, stream.Read(read));
        Assert.Equal(20, stream.Length);
    }

    [Fact]
    public void A_write_that_does_not_fit_writes_nothing()
    {
        var memory = new Bytes(100);
        using var stream = new Ping(0, 0, 1, 0, new SharedRange(memory, 0, 100)).OpenStream(90, 5);
        stream.WriteByte(1);

        Assert.Throws<EndOfStreamException>(() => stream.Write([2, 2, 2, 2, 2]));

        Assert.Equal([1, 0, 0, 0, 0, 0, 0, 0, 0, 0], memory.Array[90..]);
    }

    [Theory]
    [InlineData(101, 0)]
    [InlineData(100, 1)]
    [InlineData(1, ulong.MaxValue)]
    [InlineData(ulong.MaxValue, 2)]
    public void A_part_outside_the_named_bytes_is_refused(ulong offset, ulong length)
    {
        var range = new SharedRange(new Bytes(200), 50, 100);

        Assert.Throws<ArgumentOutOfRangeException>(() => { new Ping(0, 0, 1, 0, range).OpenStream(offset, length); });
    }

    [Fact]
    public void It_can_not_be_moved_outside_or_made_longer()
    {
        using var stream = new Ping(0, 0, 1, 0, new SharedRange(new Bytes(100), 0, 100)).OpenStream(0, 100);

        Assert.Equal(100, stream.Seek(0, SeekOrigin.End));
        Assert.Equal(60, stream.Seek(-40, SeekOrigin.Current));
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.Seek(1, SeekOrigin.End));
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.Position = -1);
        Assert.Throws<OverflowException>(() => stream.Seek(long.MaxValue, SeekOrigin.Current));
        Assert.Throws<NotSupportedException>(() => stream.SetLength(200));
    }

    private sealed class Bytes(int length) : ISharedMemory
    {
        public byte[] Array { get; } = new byte[length];

        public ulong Length => (ulong)Array.Length;

        public Span<byte> GetSpan(ulong offset, int length) => Array.AsSpan((int)offset, length);
    }
}
