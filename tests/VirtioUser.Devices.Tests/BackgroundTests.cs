// The example of docs/write-a-device.md for work that goes on after the callback.
using System.Collections.Concurrent;
using Examples;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using VirtioUser.Protocol;
using Xunit;

namespace VirtioUser.Devices.Tests;

public class BackgroundTests
{
    private const uint Refused = 0, Started = 1, Done = 1, Failed = 2;

    [Theory]
    [InlineData("aGVsbG8=", Done)]
    [InlineData("!no base64!", Failed)]
    public void The_guest_hears_how_the_work_came_out_and_the_bytes_are_given_back(string text, uint expected)
    {
        var context = new Context(text);
        using var instance = new BackgroundDevice().CreateInstance(context);

        Assert.Equal(Started, instance.OnPing(new Ping(context.Ping())));

        Assert.Equal(expected, context.Events.Take(TestContext.Current.CancellationToken));
        Assert.Equal(0, context.Held);
        if (expected == Done)
        {
            Assert.Equal([.. "hello"u8, 0, 0, 0], context.Bytes);
        }

        Assert.Equal(Started, Retry(() => instance.OnPing(new Ping(context.Ping())))); // the task ends a moment after its event
        context.Events.Take(TestContext.Current.CancellationToken);
    }

    [Fact]
    public void Bytes_that_are_gone_meanwhile_are_a_failure_and_not_silence()
    {
        var context = new Context("aGVsbG8=") { Throws = true };
        using var instance = new BackgroundDevice().CreateInstance(context);

        Assert.Equal(Started, instance.OnPing(new Ping(context.Ping())));

        Assert.Equal(Failed, context.Events.Take(TestContext.Current.CancellationToken));
    }

    [Fact]
    public void A_ping_without_bytes_is_refused()
    {
        var context = new Context("");
        using var instance = new BackgroundDevice().CreateInstance(context);

        Assert.Equal(Refused, instance.OnPing(new Ping(new AsyncPing(0, 1, 0, 0, default))));
        Assert.Empty(context.Events);
    }

    private static uint Retry(Func<uint> ping)
    {
        uint answer = 0;
        SpinWait.SpinUntil(() => (answer = ping()) != Refused, TimeSpan.FromSeconds(60));
        return answer;
    }

    private sealed class Context(string text) : InstanceContext, ISharedMemory
    {
        private int _held;

        public byte[] Bytes { get; } = System.Text.Encoding.ASCII.GetBytes(text);

        public bool Throws { get; init; }

        public int Held => Volatile.Read(ref _held);

        public BlockingCollection<uint> Events { get; } = [];

        public override ulong Handle => 1;

        public override DeviceIdentity Identity => new(0x1234, 0x0003, 1);

        public override ILogger Logger => NullLogger.Instance;

        public ulong Length => (ulong)Bytes.Length;

        public AsyncPing Ping() => new(0, 1, 1, 0, new SharedRange(this, 0, Length));

        public Span<byte> GetSpan(ulong offset, int length) =>
            Throws ? throw new ObjectDisposedException(nameof(HeldRange)) : Bytes.AsSpan((int)offset, length);

        public override bool TrySendEvent(uint revents)
        {
            Events.Add(revents);
            return true;
        }

        protected override HeldRange? TryHold(ulong shmId, SharedRange range)
        {
            Interlocked.Increment(ref _held);
            return new HeldRange(range, new Hold(this));
        }

        private sealed class Hold(Context context) : IDisposable
        {
            public void Dispose() => Interlocked.Decrement(ref context._held);
        }
    }
}
