// Memory that outlives nobody's use of it.
using Xunit;

namespace VirtioUser.Guest.UnitTests;

public class SharedObjectTests
{
    [Fact]
    public void After_dispose_nothing_reaches_the_bytes()
    {
        var channel = new FakeChannel();
        using var device = new VirtioUserDevice(channel);
        var memory = device.Allocate(5000);
        var kept = memory.Memory;
        Assert.Equal(8192ul, memory.Length);
        memory.Span.Fill(1);

        memory.Dispose();

        Assert.Throws<ObjectDisposedException>(() => { _ = memory.Span; });
        Assert.Throws<ObjectDisposedException>(() => { _ = memory.Memory; });
        Assert.Throws<ObjectDisposedException>(() => { _ = kept.Span; });
        Assert.Throws<ObjectDisposedException>(() => { kept.Pin(); });
        Assert.Throws<ObjectDisposedException>(() => { memory.Export(); });
        Assert.Throws<ObjectDisposedException>(() => { _ = new PingRequest(memory); });
        Assert.Equal([memory.Id], channel.Freed);
    }

    [Trait("Category", "Field")]
    [Fact]
    public void More_bytes_than_a_span_can_show_are_refused_with_the_limit_and_what_to_use()
    {
        using var device = new VirtioUserDevice(new FakeChannel());
        using var memory = device.Allocate(1ul << 31);

        var ofSpan = Assert.Throws<OverflowException>(() => { _ = memory.Span; });
        var ofMemory = Assert.Throws<OverflowException>(() => { _ = memory.Memory; });

        foreach (var message in new[] { ofSpan.Message, ofMemory.Message })
        {
            Assert.Contains("2147483648", message, StringComparison.Ordinal);
            Assert.Contains("2 GiB", message, StringComparison.Ordinal);
            Assert.Contains("GetSpan", message, StringComparison.Ordinal);
            Assert.Contains("GetMemory", message, StringComparison.Ordinal);
        }

        Assert.Equal(0, memory.GetSpan((1ul << 31) - 1, 1)[0]);
    }

    [Fact]
    public void A_channel_whose_last_user_is_gone_gets_no_new_one()
    {
        var channel = new FakeChannel();
        var device = new VirtioUserDevice(channel);
        device.Dispose();
        Assert.True(channel.Closed);

        Assert.Throws<ObjectDisposedException>(channel.AddReference);
    }

    [Fact]
    public void A_pin_keeps_the_object_and_the_device_until_it_is_gone()
    {
        var channel = new FakeChannel();
        var device = new VirtioUserDevice(channel);
        var memory = device.Allocate(4096);
        var first = memory.Memory.Pin();
        var second = memory.Memory.Pin();

        device.Dispose();
        Assert.Empty(channel.Freed);
        Assert.False(channel.Closed);

        first.Dispose();
        Assert.Empty(channel.Freed);
        second.Dispose();
        Assert.Equal([memory.Id], channel.Freed);
        Assert.True(channel.Closed);
    }

    [Fact]
    public void Disposing_the_device_frees_what_is_left()
    {
        var channel = new FakeChannel();
        var device = new VirtioUserDevice(channel);
        var first = device.Allocate(1);
        var second = device.Allocate(1);
        first.Dispose();

        device.Dispose();

        Assert.Equal([first.Id, second.Id], channel.Freed);
        Assert.Throws<ObjectDisposedException>(() => device.Allocate(1));
    }

    [Theory]
    [InlineData(0, 4097)]
    [InlineData(4096, 1)]
    [InlineData(ulong.MaxValue, 1)]
    [InlineData(1, int.MaxValue)]
    [InlineData(0, -1)]
    public void A_part_outside_the_object_is_refused(ulong offset, int length)
    {
        using var device = new VirtioUserDevice(new FakeChannel());
        using var memory = device.Allocate(4096);

        Assert.Throws<ArgumentOutOfRangeException>(() => { memory.GetSpan(offset, length); });
        Assert.Throws<ArgumentOutOfRangeException>(() => { memory.GetMemory(offset, length); });
        Assert.Throws<ArgumentOutOfRangeException>(() => { _ = new PingRequest(memory, offset, (ulong)length); });
    }

    [Fact]
    public async Task A_file_is_read_straight_into_shared_memory()
    {
        using var device = new VirtioUserDevice(new FakeChannel());
        using var memory = device.Allocate(4096);
        var path = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(path, "0123456789", TestContext.Current.CancellationToken);
            await using var file = File.OpenRead(path);
            Assert.Equal(10, await file.ReadAsync(memory.Memory, TestContext.Current.CancellationToken));
            Assert.Equal("0123456789"u8, memory.GetSpan(0, 10));
        }
        finally
        {
            File.Delete(path);
        }
    }
}
