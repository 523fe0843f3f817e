// Everything that a hostile driver can put into the rings, and a hostile device.
using System.Buffers.Binary;
using Virtio.Queues;
using Xunit;

namespace Virtio.Tests.Queues;

public class QueueErrorTests
{
    private const ulong Inside = QueueFixture.Buffers, End = QueueFixture.Start + QueueFixture.Length;
    private const int Next = 1, Write = 2, Indirect = 4;

    public static TheoryData<string, ChainError> BadChains => new()
    {
        { "next beyond the table", ChainError.NextOutOfRange },
        { "loop of one", ChainError.TooLong },
        { "loop of two", ChainError.TooLong },
        { "buffer below the memory", ChainError.BufferOutsideMemory },
        { "buffer behind the memory", ChainError.BufferOutsideMemory },
        { "buffer across the end", ChainError.BufferOutsideMemory },
        { "buffer that wraps around", ChainError.BufferOutsideMemory },
        { "empty buffer outside", ChainError.BufferOutsideMemory },
        { "readable after writable", ChainError.ReadableAfterWritable },
        { "indirect of no bytes", ChainError.IndirectLength },
        { "indirect of 17 bytes", ChainError.IndirectLength },
        { "indirect longer than the queue", ChainError.IndirectLength },
        { "indirect of 4 GiB", ChainError.IndirectLength },
        { "indirect outside", ChainError.IndirectOutsideMemory },
        { "indirect with next", ChainError.IndirectWithNext },
        { "indirect in indirect", ChainError.IndirectNested },
        { "next beyond the indirect table", ChainError.NextOutOfRange },
        { "loop in an indirect table", ChainError.TooLong },
    };

    [Theory]
    [MemberData(nameof(BadChains))]
    public void A_bad_chain_is_reported_and_the_queue_lives_on(string kind, ChainError expected)
    {
        using var queue = new QueueFixture();
        BuildChain(queue, kind);
        queue.Offer(0);
        Assert.True(queue.Device.TryTake(out var chain));
        Assert.Equal((expected, (ushort)0, 0u, 0u), (chain.Error, chain.Head, chain.ReadableLength, chain.WritableLength));
        queue.Device.Return(chain.Head, 0);
        Assert.Equal(1, queue.UsedIndex);

        queue.WriteDescriptor(3, Inside, 10, 0, 0);
        queue.Offer(3);
        Assert.True(queue.Device.TryTake(out chain));
        Assert.Equal((ChainError.None, 10u), (chain.Error, chain.ReadableLength));
    }

    private static void BuildChain(QueueFixture queue, string kind)
    {
        switch (kind)
        {
            case "next beyond the table":
                queue.WriteDescriptor(0, Inside, 1, Next, 8);
                break;
            case "loop of one":
                queue.WriteDescriptor(0, Inside, 1, Next, 0);
                break;
            case "loop of two":
                queue.WriteDescriptor(0, Inside, 1, Next | Write, 1);
                queue.WriteDescriptor(1, Inside, 1, Next | Write, 0);
                break;
            case "buffer below the memory":
                queue.WriteDescriptor(0, QueueFixture.Start - 1, 2, 0, 0);
                break;
            case "buffer behind the memory":
                queue.WriteDescriptor(0, End, 1, Write, 0);
                break;
            case "buffer across the end":
                queue.WriteDescriptor(0, End - 1, 2, Write, 0);
                break;
            case "buffer that wraps around":
                queue.WriteDescriptor(0, ulong.MaxValue - 1, uint.MaxValue, 0, 0);
                break;
            case "empty buffer outside":
                queue.WriteDescriptor(0, End + 1, 0, 0, 0);
                break;
            case "readable after writable":
                queue.WriteDescriptor(0, Inside, 1, Write | Next, 1);
                queue.WriteDescriptor(1, Inside, 1, 0, 0);
                break;
            case "indirect of no bytes":
                queue.WriteDescriptor(0, Inside, 0, Indirect, 0);
                break;
            case "indirect of 17 bytes":
                queue.WriteDescriptor(0, Inside, 17, Indirect, 0);
                break;
            case "indirect longer than the queue":
                queue.WriteDescriptor(0, Inside, 9 * 16, Indirect, 0);
                break;
            case "indirect of 4 GiB":
                queue.WriteDescriptor(0, Inside, uint.MaxValue - 15, Indirect, 0);
                break;
            case "indirect outside":
                queue.WriteDescriptor(0, End - 16, 32, Indirect, 0);
                break;
            case "indirect with next":
                queue.WriteDescriptor(0, Inside, 16, Indirect | Next, 1);
                break;
            case "indirect in indirect":
                queue.WriteDescriptor(0, Inside, 16, Indirect, 0);
                queue.WriteDescriptor(Inside, 0, Inside, 16, Indirect, 0);
                break;
            case "next beyond the indirect table":
                queue.WriteDescriptor(0, Inside, 32, Indirect, 0);
                queue.WriteDescriptor(Inside, 0, Inside, 1, Next, 2);
                break;
            case "loop in an indirect table":
                queue.WriteDescriptor(0, Inside, 32, Indirect, 0);
                queue.WriteDescriptor(Inside, 0, Inside, 1, Next, 1);
                queue.WriteDescriptor(Inside, 1, Inside, 1, Next, 0);
                break;
            default:
                throw new ArgumentException(kind);
        }
    }

    [Fact]
    public void An_indirect_chain_needs_the_feature()
    {
        using var queue = new QueueFixture(8, QueueFeatures.EventIndex);
        queue.WriteDescriptor(0, Inside, 16, Indirect, 0);
        queue.Offer(0);
        Assert.True(queue.Device.TryTake(out var chain));
        Assert.Equal(ChainError.IndirectNotNegotiated, chain.Error);
    }

    [Fact]
    public void Buffers_of_more_than_four_GiB_together_are_reported()
    {
        var memory = new EndlessMemory();
        var layout = QueueLayout.At(8, 0);
        var device = new DeviceQueue(memory, layout, QueueFeatures.None);
        for (var i = 0; i < 3; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(memory.Small.AsSpan(16 * i), 1UL << 40);
            BinaryPrimitives.WriteUInt32LittleEndian(memory.Small.AsSpan(16 * i + 8), 0x7fffffff);
            BinaryPrimitives.WriteUInt32LittleEndian(memory.Small.AsSpan(16 * i + 12), (uint)(i == 2 ? 0 : Next | (i + 1) << 16));
        }
        BinaryPrimitives.WriteUInt16LittleEndian(memory.Small.AsSpan((int)layout.AvailableRing + 2), 1);
        Assert.True(device.TryTake(out var chain));
        Assert.Equal(ChainError.TooManyBytes, chain.Error);
    }

    [Fact]
    public void An_index_too_far_ahead_breaks_the_queue_for_good()
    {
        using var queue = new QueueFixture();
        queue.AvailableIndex = 9;
        Assert.False(queue.Device.IsBroken);
        var failure = Assert.Throws<QueueException>(() => queue.Device.TryTake(out _));
        Assert.Contains("9 ahead", failure.Message, StringComparison.Ordinal);
        queue.AvailableIndex = 1;
        Assert.True(queue.Device.IsBroken);
        Assert.Throws<QueueException>(() => queue.Device.TryTake(out _));
        Assert.Throws<QueueException>(() => queue.Device.Return(0, 0));
        Assert.Throws<QueueException>(() => queue.Device.EnableKicks());
        queue.Reattach(0);
        Assert.True(queue.Device.TryTake(out _));
    }

    [Fact]
    public void A_head_beyond_the_table_breaks_the_queue()
    {
        using var queue = new QueueFixture();
        queue.Offer(8);
        var failure = Assert.Throws<QueueException>(() => queue.Device.TryTake(out _));
        Assert.Contains("descriptor 8", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, 0, 128, 256)]
    [InlineData(3, 0, 128, 256)]
    [InlineData(40000, 0, 128, 256)]
    [InlineData(8, 8, 128, 256)]
    [InlineData(8, 0, 129, 256)]
    [InlineData(8, 0, 128, 258)]
    [InlineData(8, QueueFixture.Length - 16, 128, 256)]
    [InlineData(8, 0, QueueFixture.Length - 20, 256)]
    [InlineData(8, 0, 128, QueueFixture.Length - 64)]
    public void A_layout_that_cannot_be_is_refused(int size, int table, int available, int used)
    {
        using var queue = new QueueFixture();
        var layout = new QueueLayout((ushort)size, QueueFixture.Start + (uint)table, QueueFixture.Start + (uint)available, QueueFixture.Start + (uint)used);
        Assert.Throws<QueueException>(() => new DeviceQueue(queue.Memory, layout, QueueFeatures.None));
        Assert.Throws<QueueException>(() => new DriverQueue(queue.Memory, layout, QueueFeatures.None));
    }

    [Fact]
    public void The_largest_queue_fits_exactly()
    {
        Assert.Equal(16u * 32768, QueueLayout.At(32768, 0).DescriptorTableLength);
        Assert.Equal(16u * 32768 + 6 + 2 * 32768 + 2 + 6 + 8 * 32768, QueueLayout.LengthOf(32768));
    }

    [Theory]
    [InlineData(8, 0u)]
    [InlineData(1, 0u)]
    [InlineData(0, 5u)]
    public void A_device_that_returns_nonsense_breaks_the_driver(int head, uint written)
    {
        using var queue = new QueueFixture();
        queue.Driver.TryAdd([], [new GuestBuffer(Inside, 4)], 1);
        queue.Device.Return((ushort)head, written);
        Assert.Throws<QueueException>(() => queue.Driver.TryReclaim(out _, out _));
        Assert.Throws<QueueException>(() => queue.Driver.TryAdd([new GuestBuffer(Inside, 4)], [], 1));
    }

    [Fact]
    public void A_device_that_returns_twice_breaks_the_driver()
    {
        using var queue = new QueueFixture();
        queue.Driver.TryAdd([], [new GuestBuffer(Inside, 4)], 1);
        queue.Device.Return(0, 4);
        queue.Device.Return(0, 4);
        Assert.True(queue.Driver.TryReclaim(out _, out _));
        Assert.Throws<QueueException>(() => queue.Driver.TryReclaim(out _, out _));
    }

    [Fact]
    public void A_used_index_too_far_ahead_breaks_the_driver()
    {
        using var queue = new QueueFixture();
        queue.UsedIndex = 9;
        Assert.Throws<QueueException>(() => queue.Driver.TryReclaim(out _, out _));
    }

    [Fact]
    public void A_driver_is_told_what_it_cannot_add()
    {
        using var queue = new QueueFixture(2);
        GuestBuffer one = new(Inside, 1), large = new(Inside, uint.MaxValue);
        Assert.Throws<ArgumentException>(() => queue.Driver.TryAdd([], [], 1));
        Assert.Throws<ArgumentException>(() => queue.Driver.TryAdd([one, one, one], [], 1));
        Assert.Throws<ArgumentException>(() => queue.Driver.TryAdd([large], [one], 1));
        Assert.Throws<ArgumentException>(() => queue.Driver.TryAddIndirect(new GuestBuffer(End - 8, 16), [one], [], 1));
    }

    /// <summary>Memory that is there at every address; only its first bytes are real.</summary>
    private sealed class EndlessMemory : GuestMemory
    {
        internal readonly byte[] Small = new byte[4096];

        public override bool TryGetSpan(ulong address, uint length, out Span<byte> span)
        {
            span = address + length <= (uint)Small.Length ? Small.AsSpan((int)address, (int)length) : default;
            return true;
        }
    }
}
