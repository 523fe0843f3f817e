// Sound queues: what one side puts in comes out at the other.
using Virtio.Queues;
using Xunit;

namespace Virtio.Tests.Queues;

public class QueueTests
{
    [Theory]
    [InlineData(1, QueueFeatures.None)]
    [InlineData(2, QueueFeatures.EventIndex)]
    [InlineData(256, QueueFeatures.IndirectDescriptors)]
    [InlineData(32768, QueueFixture.AllFeatures)]
    public void A_queue_carries_more_chains_than_its_indexes_count(int size, QueueFeatures features)
    {
        // A queue of the largest size takes all of the test's memory, and has its buffers inside its own table.
        using var queue = new QueueFixture((ushort)size, features);
        for (var i = 0; i < 70_000; i++)
        {
            Assert.True(queue.Driver.TryAdd([new GuestBuffer(QueueFixture.Start + QueueFixture.Length - 64, 4)], [], (ulong)i));
            Assert.True(queue.Device.HasAvailable);
            Assert.True(queue.Device.TryTake(out var chain));
            Assert.Equal(ChainError.None, chain.Error);
            Assert.False(queue.Device.HasAvailable);
            Assert.False(queue.Device.TryTake(out _));
            queue.Device.Return(chain.Head, 0);
            Assert.True(queue.Driver.TryReclaim(out var token, out _));
            Assert.Equal((ulong)i, token);
        }
        Assert.Equal(unchecked((ushort)70_000), queue.Device.LastAvailable);
        Assert.Equal(unchecked((ushort)70_000), queue.Device.UsedIndex);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Bytes_go_through_a_chain_of_several_buffers(bool indirect)
    {
        using var queue = new QueueFixture();
        for (var i = 0; i < 30; i++)
        {
            queue.At(QueueFixture.Buffers, 30)[i] = (byte)i;
        }

        GuestBuffer[] readable = [new(QueueFixture.Buffers, 10), new(QueueFixture.Buffers + 10, 0), new(QueueFixture.Buffers + 10, 20)];
        GuestBuffer[] writable = [new(QueueFixture.Buffers + 100, 3), new(QueueFixture.Buffers + 200, 4)];
        Assert.True(indirect
            ? queue.Driver.TryAddIndirect(new GuestBuffer(QueueFixture.Buffers + 4096, 256), readable, writable, 9)
            : queue.Driver.TryAdd(readable, writable, 9));

        Assert.True(queue.Device.TryTake(out var chain));
        Assert.Equal((ChainError.None, 30u, 7u), (chain.Error, chain.ReadableLength, chain.WritableLength));
        var bytes = new byte[40];
        Assert.Equal(30, chain.CopyTo(bytes));
        Assert.Equal(Enumerable.Range(0, 30).Select(i => (byte)i), bytes.Take(30));
        Assert.Equal(12, chain.CopyTo(bytes.AsSpan(0, 12)));
        Assert.Equal(7, chain.Write([1, 2, 3, 4, 5, 6, 7, 8, 9]));
        queue.Device.Return(chain.Head, 7);

        Assert.True(queue.Driver.TryReclaim(out var token, out var written));
        Assert.Equal((9UL, 7u), (token, written));
        Assert.Equal([1, 2, 3, 0], queue.At(QueueFixture.Buffers + 100, 4).ToArray());
        Assert.Equal([4, 5, 6, 7, 0], queue.At(QueueFixture.Buffers + 200, 5).ToArray());
        Assert.Equal(queue.Driver.Size, queue.Driver.FreeDescriptors);
    }

    [Fact]
    public void Chains_come_back_in_the_order_of_return()
    {
        using var queue = new QueueFixture();
        for (ulong i = 0; i < 3; i++)
        {
            queue.Driver.TryAdd([new GuestBuffer(QueueFixture.Buffers, 1), new GuestBuffer(QueueFixture.Buffers, 1)], [], i);
        }

        var heads = new List<ushort>();
        while (queue.Device.TryTake(out var chain))
        {
            heads.Add(chain.Head);
        }

        foreach (var i in (int[])[2, 0, 1])
        {
            queue.Device.Return(heads[i], 0);
        }

        var tokens = new List<ulong>();
        while (queue.Driver.TryReclaim(out var token, out _))
        {
            tokens.Add(token);
        }

        Assert.Equal([2, 0, 1], tokens);
        Assert.Equal(8, queue.Driver.FreeDescriptors);
    }

    [Fact]
    public void A_full_queue_takes_no_more_until_something_comes_back()
    {
        using var queue = new QueueFixture(4);
        GuestBuffer[] two = [new(QueueFixture.Buffers, 1), new(QueueFixture.Buffers, 1)];
        Assert.True(queue.Driver.TryAdd(two, [], 1));
        Assert.True(queue.Driver.TryAdd(two, [], 2));
        Assert.False(queue.Driver.TryAdd(two, [], 3));
        queue.Device.TryTake(out var chain);
        queue.Device.Return(chain.Head, 0);
        Assert.False(queue.Driver.TryAdd(two, [], 3));
        Assert.True(queue.Driver.TryReclaim(out _, out _));
        Assert.True(queue.Driver.TryAdd(two, [], 3));
    }

    [Fact]
    public void What_is_put_back_is_taken_again()
    {
        using var queue = new QueueFixture();
        queue.Driver.TryAdd([new GuestBuffer(QueueFixture.Buffers, 1)], [], 1);
        queue.Driver.TryAdd([new GuestBuffer(QueueFixture.Buffers, 2)], [], 2);
        queue.Device.TryTake(out var first);
        var head = first.Head;
        queue.Device.TryTake(out _);
        queue.Device.PutBack();
        queue.Device.PutBack();
        Assert.Equal(0, queue.Device.LastAvailable);
        Assert.True(queue.Device.TryTake(out var again));
        Assert.Equal(head, again.Head);
        Assert.Equal(1u, again.ReadableLength);
    }

    [Fact]
    public void A_chain_cannot_be_used_after_the_next_one_was_taken()
    {
        using var queue = new QueueFixture();
        queue.Driver.TryAdd([new GuestBuffer(QueueFixture.Buffers, 1)], [], 1);
        queue.Driver.TryAdd([], [new GuestBuffer(QueueFixture.Buffers, 1)], 2);
        queue.Device.TryTake(out var first);
        queue.Device.TryTake(out var second);
        var refused = false;
        try
        {
            first.CopyTo(new byte[1]);
        }
        catch (InvalidOperationException)
        {
            refused = true;
        }
        Assert.True(refused);
        Assert.Equal(1, second.Write([1]));
    }

    [Fact]
    public void A_restarted_device_goes_on_where_the_rings_are()
    {
        using var queue = new QueueFixture();
        for (ulong i = 0; i < 4; i++)
        {
            queue.Driver.TryAdd([new GuestBuffer(QueueFixture.Buffers, 1)], [], i);
        }

        queue.Device.TryTake(out var chain);
        queue.Device.Return(chain.Head, 0);
        queue.Device.TryTake(out var unfinished);
        var head = unfinished.Head;

        queue.Reattach(lastAvailable: 2);

        Assert.Equal((2, 1), (queue.Device.LastAvailable, queue.Device.UsedIndex));
        queue.Device.Return(head, 0);
        while (queue.Device.TryTake(out chain))
        {
            queue.Device.Return(chain.Head, 0);
        }

        for (ulong i = 0; i < 4; i++)
        {
            Assert.True(queue.Driver.TryReclaim(out var token, out _));
            Assert.Equal(i, token);
        }
    }

    [Fact]
    public void Without_event_indexes_flags_say_who_wants_to_be_notified()
    {
        using var queue = new QueueFixture(8, QueueFeatures.None);
        queue.Device.DisableKicks();
        queue.Driver.TryAdd([new GuestBuffer(QueueFixture.Buffers, 1)], [], 1);
        Assert.False(queue.Driver.MustKick());
        Assert.True(queue.Device.EnableKicks());
        queue.Device.TryTake(out var chain);
        Assert.False(queue.Device.EnableKicks());
        queue.Driver.DisableCalls();
        queue.Device.Return(chain.Head, 0);
        Assert.False(queue.Device.MustCall());
        Assert.True(queue.Driver.EnableCalls());
        queue.Driver.TryReclaim(out _, out _);
        Assert.False(queue.Driver.EnableCalls());
        queue.Driver.TryAdd([new GuestBuffer(QueueFixture.Buffers, 1)], [], 2);
        Assert.True(queue.Driver.MustKick());
        Assert.False(queue.Driver.MustKick());
        queue.Device.TryTake(out chain);
        queue.Device.Return(chain.Head, 0);
        Assert.True(queue.Device.MustCall());
        Assert.False(queue.Device.MustCall());
    }

    [Fact]
    public void With_event_indexes_only_what_passes_the_wish_notifies()
    {
        using var queue = new QueueFixture(8, QueueFeatures.EventIndex);
        void Add() => queue.Driver.TryAdd([new GuestBuffer(QueueFixture.Buffers, 1)], [], 0);
        void Echo()
        {
            queue.Device.TryTake(out var chain);
            queue.Device.Return(chain.Head, 0);
        }

        Assert.False(queue.Device.EnableKicks());
        Add();
        Assert.True(queue.Driver.MustKick());
        Add();
        Assert.False(queue.Driver.MustKick());
        Echo();
        Echo();
        // The first question after an attach is answered with yes: nobody knows what was signalled before.
        Assert.True(queue.Device.MustCall());
        Assert.True(queue.Driver.EnableCalls());
        while (queue.Driver.TryReclaim(out _, out _))
        {
        }
        Assert.False(queue.Driver.EnableCalls());
        Add();
        Add();
        Add();
        Echo();
        Echo();
        Assert.True(queue.Device.MustCall());
        Echo();
        Assert.False(queue.Device.MustCall());
        Assert.False(queue.Device.EnableKicks());
        Add();
        Assert.True(queue.Driver.MustKick());
    }
}
