// The example of docs/write-a-device.md for pings that wait and pings that fail.
using Examples;
using Xunit;

namespace VirtioUser.Devices.Tests;

public sealed class MailboxTests : IAsyncDisposable
{
    private const ulong Send = 1, Receive = 2;
    private const int NoSuchOperation = 1, WrongLength = 2;

    private readonly MailboxDevice _device = new();

    public ValueTask DisposeAsync() => _device.DisposeAsync();

    [Fact]
    public async Task Who_waits_for_a_letter_gets_the_one_that_another_sends_later()
    {
        var (from, to) = (new Memory("hello"u8.ToArray()), new Memory(new byte[4096]));
        using var sender = _device.CreateInstance(null!);
        using var receiver = _device.CreateInstance(null!);

        var received = receiver.OnPingAsync(to.Ping(Receive), TestContext.Current.CancellationToken);
        Assert.False(received.IsCompleted);
        Assert.Equal(5u, await sender.OnPingAsync(from.Ping(Send), TestContext.Current.CancellationToken));

        Assert.Equal(5u, await received);
        Assert.Equal("hello"u8, to.Bytes.AsSpan(0, 5));
    }

    [Fact]
    public async Task Who_waits_for_a_letter_in_vain_hears_of_the_end_and_takes_no_letter_with_it()
    {
        var memory = new Memory(new byte[4096]);
        using var instance = _device.CreateInstance(null!);
        using var ending = new CancellationTokenSource();

        var received = instance.OnPingAsync(memory.Ping(Receive), ending.Token);
        await ending.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => received.AsTask());
        Assert.Equal(4096u, await instance.OnPingAsync(memory.Ping(Send), TestContext.Current.CancellationToken));
        Assert.Equal(4096u, await instance.OnPingAsync(memory.Ping(Receive), TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData(Send, 0, WrongLength)]
    [InlineData(Send, 4097, WrongLength)]
    [InlineData(Receive, 4095, WrongLength)]
    [InlineData(3, 1, NoSuchOperation)]
    public async Task A_ping_that_makes_no_sense_fails_with_a_code(ulong operation, int length, int code)
    {
        using var instance = _device.CreateInstance(null!);

        var failure = await Assert.ThrowsAsync<PingException>(
            () => instance.OnPingAsync(new Memory(new byte[length]).Ping(operation), TestContext.Current.CancellationToken).AsTask());

        Assert.Equal(code, failure.Code);
    }

    private sealed class Memory(byte[] bytes) : ISharedMemory
    {
        public byte[] Bytes => bytes;

        public ulong Length => (ulong)bytes.Length;

        public AsyncPing Ping(ulong operation) => new(operation, 1, 1, 0, new SharedRange(this, 0, Length));

        public Span<byte> GetSpan(ulong offset, int length) => bytes.AsSpan((int)offset, length);
    }
}
