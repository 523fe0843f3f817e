// How large a memory table may be, and numbers at the ends of every scale.
using System.Globalization;
using System.Runtime.InteropServices;
using Virtio.Linux;
using Virtio.VhostUser;
using Xunit;

namespace Virtio.Tests.VhostUser;

public class MemoryLimitTests
{
    private const ulong Page = 4096, GiB = 1UL << 30, TiB = 1UL << 40, Largest = ((ulong)long.MaxValue / Page) * Page;

    [Theory]
    [InlineData(null, TiB, TiB + Page)]
    [InlineData(GiB, GiB, GiB + Page)]
    [InlineData(Page, Page, 2 * Page)]
    public void Guest_memory_has_a_limit_and_the_refusal_names_both_numbers(ulong? limit, ulong accepted, ulong refused)
    {
        var options = limit is { } most ? new BackEndOptions { MaxGuestMemory = most } : null;
        using var file = MemFd.Create("sparse", refused);
        using var connection = new Connection(new EchoDevice(), options);
        using var frontEnd = connection.Negotiate();

        frontEnd.SetMemoryTable([new FrontEndMemory(file, 0, 1UL << 44, 0, accepted)]);
        Assert.Throws<VhostUserException>(() => frontEnd.SetMemoryTable([new FrontEndMemory(file, 0, 1UL << 44, 0, refused)]));

        var reason = connection.NextEvent();
        Assert.Contains(refused.ToString(CultureInfo.InvariantCulture), reason, StringComparison.Ordinal);
        Assert.Contains(accepted.ToString(CultureInfo.InvariantCulture), reason, StringComparison.Ordinal);
        Assert.True(connection.BackEnd.Memory.TryGetSpan((1UL << 44) + accepted - 1, 1, out _)); // the table before stays
    }

    [Fact]
    public void The_limit_is_of_the_table_as_a_whole()
    {
        using var file = MemFd.Create("sparse", GiB);
        using var connection = new Connection(new EchoDevice(), new BackEndOptions { MaxGuestMemory = 7 * GiB });
        using var frontEnd = connection.Negotiate();
        FrontEndMemory[] eight = [.. Enumerable.Range(0, 8).Select(i => new FrontEndMemory(file, 0, (ulong)i * GiB, (ulong)i * GiB, GiB))];

        Assert.Throws<VhostUserException>(() => frontEnd.SetMemoryTable(eight));
        frontEnd.SetMemoryTable(eight.AsSpan(1));
    }

    [Fact]
    public void The_device_s_own_memory_does_not_count_once_and_counts_from_then_on()
    {
        using var guest = new Guest();
        using var arena = MemFd.Create("arena", GiB);
        var device = new EchoDevice();
        device.Regions.Add(new SharedMemoryRegion(arena, GiB));
        using var connection = new Connection(device, new BackEndOptions { MaxGuestMemory = Guest.Length });
        using var frontEnd = connection.Negotiate();
        FrontEndMemory Shown(ulong address) => new(arena, 0, address, address, GiB);

        frontEnd.SetMemoryTable([guest.Region, Shown(TiB)]);
        Assert.Throws<VhostUserException>(() => frontEnd.SetMemoryTable([guest.Region, Shown(TiB), Shown(2 * TiB)]));
    }

    /// <summary>Tables of one region: guest address, size, user address, file offset. The file is as large as files can be.</summary>
    public static TheoryData<ulong, ulong, ulong, ulong> HugeNumbers
    {
        get
        {
            var data = new TheoryData<ulong, ulong, ulong, ulong>();
            foreach (var power in new[] { 1UL << 47, 1UL << 61, 1UL << 62, 1UL << 63, 0UL }) // 0 is 2^64
            {
                foreach (var delta in new[] { unchecked(0 - (2 * Page)), unchecked(0 - Page), 0UL, Page, 2 * Page, unchecked(0UL - 1), 1UL })
                {
                    var number = unchecked(power + delta);
                    data.Add(0, Page, 0, number);
                    data.Add(0, number, 0, 0);
                    data.Add(0, number, 0, number);
                    data.Add(number, number, number, number);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(HugeNumbers))]
    public void Numbers_at_the_end_of_a_scale_are_refused_or_accepted_and_the_connection_goes_on(ulong guestAddress, ulong length, ulong userAddress, ulong offset)
    {
        using var file = MemFd.Create("endless", Largest);
        foreach (var options in new[] { null, new BackEndOptions { MaxGuestMemory = ulong.MaxValue }, new BackEndOptions { MaxGuestMemory = ulong.MaxValue, TrustFrontEnd = true } })
        {
            using var connection = new Connection(new EchoDevice(), options);
            var front = new RawFrontEnd(connection.Socket);
            front.Negotiate();
            front.Tell(FrontEndRequest.SetMemoryTable, MemoryMarshal.AsBytes<ulong>([1, guestAddress, length, userAddress, offset]).ToArray(), file);
            Assert.Equal(0UL, front.Tell(FrontEndRequest.SetOwner, []));
            connection.Socket.Dispose();
            Assert.Null(connection.WaitForEnd());
        }
    }

    [Theory]
    [InlineData(0, 0, 0, true)]
    [InlineData(0, 0, 1, false)]
    [InlineData(0, 1, 0, false)]
    [InlineData(10, 0, 10, true)]
    [InlineData(10, 10, 0, true)]
    [InlineData(10, 9, 2, false)]
    [InlineData(10, 11, 0, false)]
    [InlineData(10, ulong.MaxValue, 11, false)]
    [InlineData(10, 5, ulong.MaxValue, false)]
    [InlineData(ulong.MaxValue, ulong.MaxValue, 0, true)]
    [InlineData(ulong.MaxValue, ulong.MaxValue, 1, false)]
    [InlineData(ulong.MaxValue, 1, ulong.MaxValue, false)]
    public void A_range_is_inside_or_not_whatever_the_numbers(ulong size, ulong offset, ulong length, bool inside)
    {
        Assert.Equal(inside, Bounds.Contains(size, offset, length));
        Assert.Equal(inside, Bounds.Contains(0, size, offset, length, out _));
        if (size < 100 && offset < 100)
        {
            Assert.Equal(inside, Bounds.Contains(5, size, offset + 5, length, out var from));
            Assert.Equal(offset, from);
            Assert.False(Bounds.Contains(offset + 1, ulong.MaxValue - offset - 1, offset, length, out _));
        }
    }
}
