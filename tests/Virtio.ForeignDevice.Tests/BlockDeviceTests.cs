// A disk of QEMU's storage daemon, read and written through RemoteDevice.
using System.Text.Json.Nodes;
using Virtio.ForeignDevice.Tests.Support;
using Virtio.Queues;
using Virtio.VhostUser;
using VirtioUser.Vm;

namespace Virtio.ForeignDevice.Tests;

public sealed class BlockDeviceTests : IAsyncLifetime
{
    // More than anything takes; a test that waits so long has failed.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Disk _disk = new();
    private StorageDaemon? _daemon;

    public static TheoryData<VirtioFeatures> Features =>
        [VirtioFeatures.None, VirtioFeatures.EventIndex, VirtioFeatures.IndirectDescriptors, VirtioFeatures.EventIndex | VirtioFeatures.IndirectDescriptors];

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _daemon = await _disk.OfferAsync();

    public async ValueTask DisposeAsync()
    {
        await _daemon!.DisposeAsync();
        _disk.Dispose();
    }

    [Theory]
    [MemberData(nameof(Features))]
    public void The_whole_disk_reads_as_its_image_with_many_requests_in_flight(VirtioFeatures features)
    {
        using var driver = BlockDriver.Connect(_disk.SocketPath, features);
        Assert.Equal(features, driver.Device.Features & (VirtioFeatures.EventIndex | VirtioFeatures.IndirectDescriptors));
        Assert.Equal(Disk.Length, (int)driver.Capacity * BlockDriver.SectorSize);

        Assert.Equal(_disk.Bytes, ReadAll(driver, driver.Slots));
    }

    [Fact]
    public void The_whole_disk_reads_as_its_image_one_request_after_the_other()
    {
        using var driver = BlockDriver.Connect(_disk.SocketPath);
        Assert.Equal(_disk.Bytes, ReadAll(driver, 1));
    }

    [Fact]
    public void What_is_written_is_in_the_image_and_nothing_else_has_changed()
    {
        using var driver = BlockDriver.Connect(_disk.SocketPath);
        var random = new Random(5);
        byte[] expected = [.. _disk.Bytes];
        const int sectors = Disk.Length / BlockDriver.SectorSize, piece = sectors / 32;
        for (var slot = 0; slot < 32; slot++)
        {
            int sector = slot * piece + random.Next(piece / 2), length = random.Next(1, piece / 2) * BlockDriver.SectorSize;
            var part = expected.AsSpan(sector * BlockDriver.SectorSize, length);
            random.NextBytes(part);
            driver.BeginWrite(slot, (ulong)sector, part);
        }
        for (var i = 0; i < 32; i++)
        {
            Assert.Equal(0, driver.WaitForOne().Status);
        }

        driver.BeginFlush(0);
        Assert.Equal((0, 0), driver.WaitForOne());

        Assert.Equal(expected, _disk.ReadImage());
        Assert.Equal(expected, ReadAll(driver, driver.Slots));
    }

    [Fact]
    public void A_request_that_fails_says_so_and_the_device_goes_on()
    {
        using var driver = BlockDriver.Connect(_disk.SocketPath);
        driver.BeginRead(1, driver.Capacity, BlockDriver.SectorSize);
        Assert.Equal((1, 1), driver.WaitForOne());

        Assert.Equal(_disk.Bytes[..512], driver.Read(0, 512));
    }

    [Fact]
    public async Task A_change_of_the_configuration_is_noticed()
    {
        using var driver = BlockDriver.Connect(_disk.SocketPath);
        using var changed = new SemaphoreSlim(0);
        driver.Device.ConfigurationChanged += () => changed.Release();

        await _daemon!.Qmp.ExecuteAsync(
            "block_resize", new JsonObject { ["node-name"] = StorageDaemon.NodeName, ["size"] = 8 << 20 }, Cancelled);

        Assert.True(await changed.WaitAsync(Patience, Cancelled));
        Assert.Equal((8ul << 20) / BlockDriver.SectorSize, driver.Capacity);
        Assert.Equal(new byte[512], driver.Read(driver.Capacity - 1, 512));
    }

    [Fact]
    public void It_works_again_after_a_reset_and_after_a_new_connection()
    {
        for (var connection = 0; connection < 3; connection++)
        {
            using var driver = BlockDriver.ConnectAgain(_disk.SocketPath);
            for (var start = 0; start < 3; start++)
            {
                Assert.Equal(_disk.Bytes[..4096], driver.Read(0, 4096));
                driver.Stop();
                driver.Start();
            }
            Assert.Equal(_disk.Bytes, ReadAll(driver, driver.Slots));
        }
    }

    [Fact]
    public void A_connection_can_be_closed_with_requests_in_flight()
    {
        // Once, and nothing after it: QEMU's daemon sometimes ends by this.
        var driver = BlockDriver.Connect(_disk.SocketPath);
        for (var slot = 0; slot < driver.Slots; slot++)
        {
            driver.BeginRead(slot, 0, BlockDriver.MaximumLength);
        }

        driver.Dispose();

        Assert.Throws<ObjectDisposedException>(() => driver.Device.Memory.GetSpan(new GuestBuffer(1 << 20, 16)));
    }

    [Fact]
    public void A_second_driver_at_the_same_time_is_told_and_the_first_goes_on()
    {
        using var first = BlockDriver.Connect(_disk.SocketPath);

        Assert.Throws<VhostUserException>(() => BlockDriver.Connect(_disk.SocketPath));

        Assert.Equal(_disk.Bytes, ReadAll(first, first.Slots));
    }

    [Fact]
    public async Task A_back_end_that_dies_with_requests_in_flight_is_noticed_and_a_new_one_can_be_driven()
    {
        using (var driver = BlockDriver.Connect(_disk.SocketPath))
        {
            Assert.Equal(_disk.Bytes[..512], driver.Read(0, 512));
            await _daemon!.SignalAsync("STOP");
            for (var slot = 0; slot < driver.Slots; slot++)
            {
                driver.BeginRead(slot, 0, BlockDriver.MaximumLength);
            }

            await _daemon.KillAsync();

            var gone = Assert.Throws<IOException>(() =>
            {
                for (var slot = 0; slot < driver.Slots; slot++)
                {
                    driver.WaitForOne();
                }
            });
            Assert.Equal("The back-end is gone.", gone.Message);
            Assert.Throws<VhostUserException>(() => driver.Capacity);
            Assert.True(driver.Device.IsGone);
        }

        await _daemon.DisposeAsync();
        _daemon = await _disk.OfferAsync();
        using var again = BlockDriver.Connect(_disk.SocketPath);
        Assert.Equal(_disk.Bytes, ReadAll(again, again.Slots));
    }

    /// <summary>Reads the whole disk, with so many requests in flight.</summary>
    private static byte[] ReadAll(BlockDriver driver, int inFlight)
    {
        var read = new byte[(int)driver.Capacity * BlockDriver.SectorSize];
        var positions = new int[inFlight];
        int next = 0, pending = 0;
        while (pending < inFlight && next < read.Length)
        {
            Begin(pending++);
        }

        while (pending > 0)
        {
            (var slot, var status) = driver.WaitForOne();
            Assert.Equal(0, status);
            var length = LengthAt(positions[slot]);
            driver.Data(slot)[..length].CopyTo(read.AsSpan(positions[slot]));
            if (next < read.Length)
            {
                Begin(slot);
            }
            else
            {
                pending--;
            }
        }
        return read;

        void Begin(int slot)
        {
            positions[slot] = next;
            driver.BeginRead(slot, (ulong)(next / BlockDriver.SectorSize), LengthAt(next));
            next += LengthAt(next);
        }

        // Pieces of 20 KiB, so that many are needed.
        int LengthAt(int position) => Math.Min(20 << 10, read.Length - position);
    }
}
