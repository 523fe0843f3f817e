// Memory of a device in C inside the program's objects.
using TestDevice.Dependency;
using Xunit;
using static NativeDevice.MappingDevice;

namespace VirtioUser.Guest.Tests;

public class MappedMemoryTests
{
    [Theory]
    [InlineData(Kind.Heap)]
    [InlineData(Kind.Anonymous)]
    [InlineData(Kind.PrivateFile)]
    [InlineData(Kind.PrivateShm)]
    [InlineData(Kind.PrivateMemfd)]
    [InlineData(Kind.SharedMemfd)]
    [InlineData(Kind.SharedAnonymous)]
    public void Memory_of_the_device_is_the_guests_until_it_is_unmapped(Kind kind)
    {
        using var device = Given.Device(TestDevices.Mapping);
        using var memory = device.Allocate(5 * Page);
        memory.Span.Fill(1);

        Assert.Equal(1u, Map(device, memory, slot: 7, kind, page: 1, pages: 3));

        Assert.Equal(-1, memory.Span[Page..(4 * Page)].IndexOfAnyExcept((byte)7));
        Assert.Equal(-1, memory.Span[..Page].IndexOfAnyExcept((byte)1));
        Assert.Equal(-1, memory.Span[(4 * Page)..].IndexOfAnyExcept((byte)1));
        memory.Span[Page] = 100;
        memory.Span[(4 * Page) - 1] = 101;
        Assert.Equal((100u, 101u), (Ask(device, Operation.Peek, 7, offset: 0), Ask(device, Operation.Peek, 7, offset: (3 * Page) - 1)));
        Ask(device, Operation.Poke, 7, value: 102, offset: Page);
        Assert.Equal(102, memory.Span[2 * Page]);

        Assert.Equal(1u, Unmap(device, memory, slot: 7, page: 1));

        Assert.Equal((100, 102, 101), (memory.Span[Page], memory.Span[2 * Page], memory.Span[(4 * Page) - 1]));
        Assert.Equal((100u, 102u), (Ask(device, Operation.Peek, 7, offset: 0), Ask(device, Operation.Peek, 7, offset: Page)));
        memory.Span[Page] = 103;
        Ask(device, Operation.Poke, 7, value: 104, offset: Page);
        Assert.Equal(100u, Ask(device, Operation.Peek, 7, offset: 0));
        Assert.Equal(102, memory.Span[2 * Page]);
        if (kind is Kind.SharedMemfd)
        {
            Assert.Equal((100u, 104u), (Ask(device, Operation.PeekFile, 7, offset: 0), Ask(device, Operation.PeekFile, 7, offset: Page)));
        }

        if (kind is Kind.PrivateFile or Kind.PrivateShm or Kind.PrivateMemfd)
        {
            Assert.Equal((7u, 7u), (Ask(device, Operation.PeekFile, 7, offset: 0), Ask(device, Operation.PeekFile, 7, offset: Page)));
        }

        Assert.Equal(0u, Unmap(device, memory, slot: 7, page: 1)); // it is gone
        Ask(device, Operation.Drop, 7);
    }

    [Fact]
    public void Memory_that_can_only_be_read_shows_what_the_guest_writes()
    {
        using var device = Given.Device(TestDevices.Mapping);
        using var memory = device.Allocate(Page);

        Assert.Equal(1u, Map(device, memory, slot: 7, Kind.ReadOnlyFile, page: 0, pages: 1));
        memory.Span[5] = 50;
        Assert.Equal(50u, Ask(device, Operation.Peek, 7, offset: 5));
        Assert.Equal(1u, Unmap(device, memory, slot: 7, page: 0));

        memory.Span[5] = 51;
        Assert.Equal(50u, Ask(device, Operation.Peek, 7, offset: 5));
        Assert.Equal(7u, Ask(device, Operation.PeekFile, 7, offset: 5));
    }

    [Fact]
    public async Task A_guest_reads_and_writes_while_memory_comes_and_goes()
    {
        const int Rounds = 300;
        using var device = Given.Device(TestDevices.Mapping);
        using var memory = device.Allocate(64 * Page);
        using var done = new CancellationTokenSource();
        var busy = Given.Blocking(() =>
        {
            // Pages 0 and 63 are the guest's alone; those between show whole pages of the device, old or new, or what the guest wrote.
            var rounds = 0;
            for (byte value = 1; !done.IsCancellationRequested; value = (byte)((value % 100) + 1), rounds++)
            {
                memory.Span[..Page].Fill(value);
                memory.Span[(63 * Page)..].Fill(value);
                Volatile.Write(ref memory.Span[(32 * Page) + 1], 255);
                Assert.Equal(-1, memory.Span[..Page].IndexOfAnyExcept(value));
                Assert.Equal(-1, memory.Span[(63 * Page)..].IndexOfAnyExcept(value));
                Assert.Equal(-1, memory.Span[Page..(63 * Page)].IndexOfAnyInRange((byte)100, (byte)199));
            }

            return rounds;
        });

        for (var round = 0; round < Rounds; round++)
        {
            var (slot, kind) = (round % 100, (Kind)(round % 6));
            Assert.Equal(1u, Map(device, memory, slot, kind, page: 1, pages: 62));
            Assert.Equal((byte)slot, memory.Span[(62 * Page) + 9]);
            memory.Span[(20 * Page) + 9] = (byte)(200 + (round % 50));
            Assert.Equal(200u + ((uint)round % 50), Ask(device, Operation.Peek, slot, offset: (19 * Page) + 9));
            Assert.Equal(1u, Unmap(device, memory, slot, page: 1));
            Ask(device, Operation.Drop, slot);
        }

        await done.CancelAsync();
        Assert.NotEqual(0, await busy);
    }

    [Fact]
    public void A_range_that_the_guest_frees_is_not_used_again_until_it_is_unmapped()
    {
        using var device = Given.Device(TestDevices.Mapping);
        using (var memory = device.Allocate(Page))
        {
            Assert.Equal(1u, Map(device, memory, slot: 7, Kind.Heap, page: 0, pages: 1));
        }

        using var next = device.Allocate(Page);
        next.Span.Fill(50);

        Assert.Equal(7u, Ask(device, Operation.Peek, 7, offset: 0));
        Ask(device, Operation.Poke, 7, value: 8, offset: 0);
        Assert.Equal(50, next.Span[0]);
    }
}
