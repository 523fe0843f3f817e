// Random rings and random calls, and two sound sides in any order of calls.
using FsCheck.Xunit;
using Virtio.Queues;
using Xunit;

namespace Virtio.Tests.Queues;

public class QueuePropertyTests
{
    /// <summary>
    /// Whatever stands in the memory, a device never touches a byte outside it (the fixture's guard pages would end the
    /// tests), never loops, and fails only in the ways that are announced.
    /// </summary>
    [Property(MaxTest = 500)]
    public void Random_rings_do_no_harm(int seed)
    {
        var random = new Random(seed);
        using var queue = new QueueFixture((ushort)(1 << random.Next(0, 8)));
        Scramble(queue, random);
        var bytes = new byte[random.Next(0, 100_000)];
        try
        {
            for (var i = 0; i < 100; i++)
            {
                CallAtRandom(queue, random, bytes);
            }
        }
        catch (QueueException)
        {
            Assert.Throws<QueueException>(() => queue.Device.TryTake(out _));
        }
    }

    private static void CallAtRandom(QueueFixture queue, Random random, byte[] bytes)
    {
        switch (random.Next(6))
        {
            case 0:
                queue.Device.EnableKicks();
                break;
            case 1:
                queue.Device.MustCall();
                break;
            case 2:
                queue.Offer((ushort)random.Next(queue.Layout.Size + (random.Next(50) == 0 ? 1 : 0)));
                break;
            case 3:
                Scramble(queue, random);
                break;
            default:
                if (!queue.Device.TryTake(out var chain))
                {
                    break;
                }

                Assert.True(chain.Head < queue.Layout.Size);
                Assert.Equal(Math.Min((uint)bytes.Length, chain.ReadableLength), (uint)chain.CopyTo(bytes));
                var written = (uint)chain.Write(bytes);
                Assert.Equal(Math.Min((uint)bytes.Length, chain.WritableLength), written);
                if (chain.Error != ChainError.None)
                {
                    Assert.Equal((0u, 0u), (chain.ReadableLength, chain.WritableLength));
                }

                queue.Device.Return(chain.Head, written);
                break;
        }
    }

    /// <summary>Fills the table and some indirect tables with descriptors that are nearly right.</summary>
    private static void Scramble(QueueFixture queue, Random random)
    {
        for (var i = 0; i < queue.Layout.Size; i++)
        {
            Randomize(queue, queue.Layout.DescriptorTable, i, random);
            if (i < 8)
            {
                Randomize(queue, QueueFixture.Buffers, i, random);
            }
        }
    }

    private static void Randomize(QueueFixture queue, ulong table, int index, Random random)
    {
        var address = random.Next(8) switch
        {
            0 => QueueFixture.Start + QueueFixture.Length - (uint)random.Next(0, 40),
            1 => QueueFixture.Start - (uint)random.Next(0, 40),
            2 => ulong.MaxValue - (uint)random.Next(0, 40),
            3 => (ulong)random.NextInt64(),
            4 => QueueFixture.Buffers,
            _ => QueueFixture.Buffers + (uint)random.Next(0, QueueFixture.Length / 2),
        };
        uint length = random.Next(6) switch
        {
            0 => uint.MaxValue - (uint)random.Next(0, 40),
            1 => (uint)random.Next(0, 9) * 16,
            2 => 0,
            _ => (uint)random.Next(0, 5000),
        };
        var next = random.Next(10) == 0 ? random.Next(0, 65536) : random.Next(0, queue.Layout.Size);
        queue.WriteDescriptor(table, index, address, length, random.Next(4) == 0 ? random.Next(0, 65536) : random.Next(0, 4), next);
    }

    /// <summary>Two sound sides, called in any order, never lose, change or invent a chain.</summary>
    [Property(MaxTest = 200)]
    public void Sound_sides_agree(int seed)
    {
        var random = new Random(seed);
        var features = (QueueFeatures)((ulong)random.Next(4) << 28);
        using var queue = new QueueFixture((ushort)(1 << random.Next(0, 6)), features);
        var model = new Dictionary<ulong, (ulong Address, int Readable, int Writable)>();
        var taken = new List<(ushort Head, uint Written)>();
        ulong token = 0, reclaimed = 0, taking = 0;

        for (var step = 0; step < 400; step++)
        {
            switch (random.Next(4))
            {
                case 0:
                    var address = QueueFixture.Buffers + token % 64 * 4096;
                    (var readable, var writable) = (random.Next(8, 1000), random.Next(8, 1000));
                    if (Add(queue, random, features, address, readable, writable, token))
                    {
                        model[token++] = (address, readable, writable);
                    }

                    break;
                case 1:
                    if (queue.Device.TryTake(out var chain))
                    {
                        (_, var expectedReadable, var expectedWritable) = model[taking];
                        Assert.Equal((ChainError.None, (uint)expectedReadable, (uint)expectedWritable), (chain.Error, chain.ReadableLength, chain.WritableLength));
                        var bytes = new byte[expectedReadable];
                        chain.CopyTo(bytes);
                        Assert.Equal(taking, BitConverter.ToUInt64(bytes));
                        var length = random.Next(8, expectedWritable + 1);
                        Assert.Equal(length, chain.Write(Enumerable.Repeat((byte)(taking * 7), length).ToArray()));
                        taken.Add((chain.Head, (uint)length));
                        taking++;
                    }
                    break;
                case 2 when taken.Count > 0:
                    var which = random.Next(taken.Count);
                    queue.Device.Return(taken[which].Head, taken[which].Written);
                    taken.RemoveAt(which);
                    break;
                default:
                    if (queue.Driver.TryReclaim(out var back, out var written))
                    {
                        Assert.True(model.Remove(back, out var entry));
                        var result = queue.At(entry.Address + (uint)entry.Readable, entry.Writable);
                        Assert.Equal(-1, result[..(int)written].IndexOfAnyExcept((byte)(back * 7)));
                        Assert.Equal(-1, result[(int)written..].IndexOfAnyExcept((byte)0xee));
                        reclaimed++;
                    }
                    break;
            }
        }
        Assert.Equal((ulong)model.Count, token - reclaimed);
    }

    private static bool Add(QueueFixture queue, Random random, QueueFeatures features, ulong address, int readable, int writable, ulong token)
    {
        // 64 places of 4096 bytes, and never more than 32 chains at once: a place is free again when its turn comes.
        if (queue.Driver.FreeDescriptors == 0)
        {
            return false;
        }

        BitConverter.TryWriteBytes(queue.At(address, 8), token);
        queue.At(address + (uint)readable, writable).Fill(0xee);
        int cut = random.Next(0, readable), pieces = random.Next(1, 3);
        GuestBuffer[] read = pieces == 1
            ? [new(address, (uint)readable)]
            : [new(address, (uint)cut), new(address + (uint)cut, (uint)(readable - cut))];
        GuestBuffer[] write = [new(address + (uint)readable, (uint)writable)];
        if (read.Length + write.Length > queue.Layout.Size)
        {
            return false;
        }

        return (features & QueueFeatures.IndirectDescriptors) != 0 && random.Next(2) == 0
            ? queue.Driver.TryAddIndirect(new GuestBuffer(address + 2048, 64), read, write, token)
            : queue.Driver.TryAdd(read, write, token);
    }
}
