// The stream over a ping's bytes.
using Xunit;

namespace VirtioUser.Devices.Tests;

public class StreamTests
{
    [Fact]
    public void It_reads_and_writes_the_part_and_nothing_else()
    {
        var memory = new Bytes(100);
        using var stream = new AsyncPing(0, 0, 1, 0, new SharedRange(memory, 10, 80)).OpenStream(5, 20);

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
        using var stream = new AsyncPing(0, 0, 1, 0, new SharedRange(memory, 0, 100)).OpenStream(90, 5);
        stream.WriteByte(1);

        Assert.Throws<NotSupportedException>(() => stream.Write([2, 2, 2, 2, 2]));

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

        Assert.Throws<ArgumentOutOfRangeException>(() => { new AsyncPing(0, 0, 1, 0, range).OpenStream(offset, length); });
    }

    [Fact]
    public void It_can_not_be_moved_outside_or_made_longer()
    {
        using var stream = new AsyncPing(0, 0, 1, 0, new SharedRange(new Bytes(100), 0, 100)).OpenStream(0, 100);

        Assert.Equal(100, stream.Seek(0, SeekOrigin.End));
        Assert.Equal(60, stream.Seek(-40, SeekOrigin.Current));
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.Seek(1, SeekOrigin.End));
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.Position = -1);
        Assert.Throws<OverflowException>(() => stream.Seek(long.MaxValue, SeekOrigin.Current));
        Assert.Throws<NotSupportedException>(() => stream.SetLength(200));
    }

    [Fact]
    public async Task Asynchronous_reads_and_writes_are_done_at_once()
    {
        var memory = new Bytes(100);
        await using var stream = new AsyncPing(0, 0, 1, 0, new SharedRange(memory, 0, 100)).OpenStream(50, 3);
        var read = new byte[8];

        Assert.True(stream.WriteAsync(new byte[] { 1, 2, 3 }, TestContext.Current.CancellationToken).AsTask().IsCompletedSuccessfully);
        Assert.True(stream.FlushAsync(TestContext.Current.CancellationToken).IsCompletedSuccessfully);
        var refused = stream.WriteAsync(new byte[] { 4 }, TestContext.Current.CancellationToken).AsTask();
        Assert.True(refused.IsFaulted);
        await Assert.ThrowsAsync<NotSupportedException>(() => refused);
        stream.Position = 1;
        var reading = stream.ReadAsync(read, TestContext.Current.CancellationToken).AsTask();
        Assert.True(reading.IsCompletedSuccessfully);
        Assert.Equal(2, await reading);
        Assert.Equal([1, 2, 3], memory.Array[50..53]);
        Assert.Equal([2, 3, 0], read[..3]);
        Assert.Equal(-1, stream.ReadByte());

        var cancelled = new CancellationToken(canceled: true);
        Assert.True(stream.ReadAsync(read, cancelled).AsTask().IsCanceled);
        Assert.True(stream.WriteAsync(read, cancelled).AsTask().IsCanceled);
        Assert.True(stream.FlushAsync(cancelled).IsCanceled);
    }

    [Fact]
    public void After_dispose_it_is_closed_as_streams_are()
    {
        var stream = new AsyncPing(0, 0, 1, 0, new SharedRange(new Bytes(100), 0, 100)).OpenStream(0, 100);
        Assert.True(stream.CanRead && stream.CanWrite && stream.CanSeek);

        stream.Dispose();

        Assert.False(stream.CanRead || stream.CanWrite || stream.CanSeek);
        Assert.Throws<ObjectDisposedException>(() => { stream.ReadExactly(new byte[1]); });
        Assert.Throws<ObjectDisposedException>(() => stream.WriteByte(1));
        Assert.Throws<ObjectDisposedException>(() => stream.Position);
        Assert.Throws<ObjectDisposedException>(() => stream.Length);
    }

    [Trait("Category", "Field")]
    [Fact]
    public void More_bytes_than_a_span_can_show_are_refused_with_the_limit_and_what_to_use()
    {
        var range = new SharedRange(new Endless(), 0, 1ul << 31);

        var ofPing = Assert.Throws<OverflowException>(() => new AsyncPing(0, 0, 1, 0, range).Bytes.Length);
        var ofHeld = Assert.Throws<OverflowException>(() => new HeldRange(range, new MemoryStream()).Bytes.Length);

        foreach (var message in new[] { ofPing.Message, ofHeld.Message })
        {
            Assert.Contains("2147483648", message, StringComparison.Ordinal);
            Assert.Contains("2 GiB", message, StringComparison.Ordinal);
            Assert.Contains("Slice", message, StringComparison.Ordinal);
            Assert.Contains("OpenStream", message, StringComparison.Ordinal);
        }

        Assert.Equal(1ul << 31, new AsyncPing(0, 0, 1, 0, range).Length);
        Assert.Equal(4, new AsyncPing(0, 0, 1, 0, range).Slice((1ul << 31) - 4, 4).Length);
    }

    /// <summary>As long as can be, and the same bytes everywhere.</summary>
    private sealed class Endless : ISharedMemory
    {
        private readonly byte[] _window = new byte[16];

        public ulong Length => ulong.MaxValue;

        public Span<byte> GetSpan(ulong offset, int length) => _window.AsSpan(0, length);
    }

    private sealed class Bytes(int length) : ISharedMemory
    {
        public byte[] Array { get; } = new byte[length];

        public ulong Length => (ulong)Array.Length;

        public Span<byte> GetSpan(ulong offset, int length) => Array.AsSpan((int)offset, length);
    }
}
