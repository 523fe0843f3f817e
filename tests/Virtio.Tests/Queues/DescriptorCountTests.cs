// What taking a chain cost, which is what a device has to bound.
using Virtio.Queues;
using Xunit;

namespace Virtio.Tests.Queues;

public class DescriptorCountTests
{
    private const ulong Inside = QueueFixture.Buffers;
    private const int Next = 1, Write = 2, Indirect = 4;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(8)]
    public void A_chain_counts_its_descriptors(int length)
    {
        using var queue = new QueueFixture();
        for (var i = 0; i < length; i++)
        {
            queue.WriteDescriptor(i, Inside, 1, i < length - 1 ? Next : 0, i + 1);
        }

        AssertTakes(queue, ChainError.None, length);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    public void Descriptors_of_an_indirect_table_count_and_so_does_the_one_that_points_there(int length)
    {
        using var queue = new QueueFixture();
        queue.WriteDescriptor(0, Inside, (uint)length * 16, Indirect, 0);
        for (var i = 0; i < length; i++)
        {
            queue.WriteDescriptor(Inside, i, Inside, 1, i < length - 1 ? Next : 0, i + 1);
        }

        AssertTakes(queue, ChainError.None, length + 1);
    }

    [Fact]
    public void A_loop_counts_every_descriptor_that_was_read_and_the_next_chain_begins_anew()
    {
        using var queue = new QueueFixture();
        for (var i = 0; i < 7; i++)
        {
            queue.WriteDescriptor(i, Inside, 0, Next | Write, (i + 1) % 7);
        }

        queue.WriteDescriptor(7, Inside, 1, Write, 0);
        AssertTakes(queue, ChainError.TooLong, 9);
        AssertTakes(queue, ChainError.None, 1, head: 7);
    }

    [Fact]
    public void A_loop_in_an_indirect_table_is_the_most_that_one_chain_can_cost()
    {
        using var queue = new QueueFixture();
        queue.WriteDescriptor(0, Inside, 16, Indirect, 0);
        queue.WriteDescriptor(Inside, 0, Inside, 0, Next, 0);

        AssertTakes(queue, ChainError.TooLong, queue.Device.Size + 2);
    }

    private static void AssertTakes(QueueFixture queue, ChainError error, int count, ushort head = 0)
    {
        queue.Offer(head);
        Assert.True(queue.Device.TryTake(out var chain));
        Assert.Equal((error, count), (chain.Error, chain.DescriptorCount));
    }
}
