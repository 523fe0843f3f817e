// Bytes that a device keeps for longer than a ping.
using NativeDevice;
using TestDevice.Dependency;
using VirtioUser.Daemon.Tests.Direct;
using VirtioUser.Daemon.Tests.Support;
using VirtioUser.Guest;
using static NativeDevice.HoldingDevice;

namespace VirtioUser.Daemon.Tests.Plugins;

public sealed class HoldTests : IDisposable
{
    private const int Page = 4096;

    private readonly SocketFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Bytes_that_the_guest_frees_stay_the_devices_until_it_releases_them()
    {
        await using var daemon = await ListenAsync();
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var device = Open(source);
        var memory = device.Allocate(2 * Page);
        memory.Span.Fill(1);
        var page = Ask(device, Operation.PageOf, memory);
        Assert.Equal(1u, device.Call(new PingRequest(memory, 100, 5000, Metadata(Operation.Hold, slot: 7))));
        Ask(device, Operation.Poke, slot: 7, value: 60, number: 4999);
        Assert.Equal(60, memory.Span[5099]);

        memory.Dispose();
        using var other = device.Allocate(2 * Page);
        other.Span.Fill(2);

        Assert.NotEqual(page, Ask(device, Operation.PageOf, other));
        Assert.Equal((1u, 60u), (Ask(device, Operation.Peek, slot: 7, number: 0), Ask(device, Operation.Peek, slot: 7, number: 4999)));
        Ask(device, Operation.Poke, slot: 7, value: 61);
        Assert.Equal(61u, Ask(device, Operation.Peek, slot: 7));
        Assert.Equal(-1, other.Span.IndexOfAnyExcept((byte)2));

        Assert.Equal(1u, Ask(device, Operation.Release, slot: 7));
        using var again = device.Allocate(2 * Page);
        Assert.Equal(page, Ask(device, Operation.PageOf, again));
        Assert.Equal(-1, again.Span.IndexOfAnyExcept((byte)0));
        Assert.Equal(0u, Ask(device, Operation.Release, slot: 7));
    }

    [Fact]
    public async Task Each_hold_counts_until_the_last_is_released()
    {
        await using var daemon = await ListenAsync();
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var device = Open(source);
        var memory = device.Allocate(Page);
        var page = Ask(device, Operation.PageOf, memory);
        Assert.Equal(1u, Ask(device, Operation.Hold, memory, slot: 1));
        Assert.Equal(1u, Ask(device, Operation.Hold, memory, slot: 2));
        Assert.Equal(1u, device.Call(new PingRequest(memory, 8, 1, Metadata(Operation.Hold, slot: 3))));
        memory.Dispose();

        foreach (var slot in new[] { 2, 1 })
        {
            Assert.Equal(1u, Ask(device, Operation.Release, slot));
            using var other = device.Allocate(Page);
            Assert.NotEqual(page, Ask(device, Operation.PageOf, other));
        }

        Assert.Equal(0u, Ask(device, Operation.Release, slot: 1));
        Assert.Equal(1u, Ask(device, Operation.Release, slot: 3));
        using var again = device.Allocate(Page);
        Assert.Equal(page, Ask(device, Operation.PageOf, again));
    }

    [Fact]
    public async Task The_end_of_an_instance_ends_its_holds_after_the_device_has_heard_of_it_and_no_others()
    {
        await using var daemon = await ListenAsync("--log-level", "Debug");
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var survivor = Open(source);
        var ending = Open(source);
        var own = ending.Allocate(Page);
        own.Span.Fill(1);
        var shared = ending.Allocate(Page);
        var imported = survivor.Import(shared.Export());
        var (ownPage, sharedPage) = (Ask(ending, Operation.PageOf, own), Ask(ending, Operation.PageOf, shared));
        Assert.Equal(1u, Ask(ending, Operation.Hold, own, slot: 1));
        Assert.Equal(1u, Ask(ending, Operation.Hold, shared, slot: 2));
        Assert.Equal(1u, Ask(survivor, Operation.Hold, imported, slot: 3));
        Ask(ending, Operation.PokeAtEnd, slot: 2, value: 60, number: 9);

        ending.Dispose();
        await daemon.LineAsync("Instance 2 of 5655:7e5d:01 ended");
        using var fresh = survivor.Allocate(Page);

        Assert.Equal(ownPage, Ask(survivor, Operation.PageOf, fresh));
        Assert.Equal(-1, fresh.Span.IndexOfAnyExcept((byte)0));
        Assert.Equal(60, imported.Span[9]);
        Assert.Equal(0u, Ask(survivor, Operation.Release, slot: 2)); // both are gone, with the handle that they were held for
        Assert.Equal(0u, Ask(survivor, Operation.Release, slot: 1));

        imported.Dispose();
        Assert.Equal(60u, Ask(survivor, Operation.Peek, slot: 3, number: 9));
        using (var other = survivor.Allocate(Page))
        {
            Assert.NotEqual(sharedPage, Ask(survivor, Operation.PageOf, other));
        }

        Assert.Equal(1u, Ask(survivor, Operation.Release, slot: 3));
        using var again = survivor.Allocate(Page);
        Assert.Equal(sharedPage, Ask(survivor, Operation.PageOf, again));
    }

    [Fact]
    public async Task Only_bytes_of_objects_that_the_instance_holds_can_be_held()
    {
        await using var daemon = await ListenAsync();
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var device = Open(source); // instance 1
        using var other = Open(source); // instance 2
        using var memory = device.Allocate(2 * Page);
        uint Hold(Operation operation, int value, uint number) => Ask(device, operation, memory, value: value, number: number);

        Assert.Equal(1u, Hold(Operation.HoldBehind, 0, 2 * Page));
        Assert.Equal(1u, Hold(Operation.HoldBehind, (2 * Page) - 1, 1));
        Assert.Equal(0u, Hold(Operation.HoldBehind, 0, (2 * Page) + 1));
        Assert.Equal(0u, Hold(Operation.HoldBehind, 2 * Page, 1));
        Assert.Equal(0u, Hold(Operation.HoldBehind, 1, 2 * Page));
        Assert.Equal(0u, Hold(Operation.HoldBehind, 1, uint.MaxValue)); // stands for 2^64 - 1: the end would be the beginning
        Assert.Equal(0u, Hold(Operation.HoldOf, 0, 2));
        Assert.Contains("for instance 2: that is not inside an object that the instance holds", await daemon.LineAsync("for instance 2"), StringComparison.Ordinal);
        Assert.Contains("5655:7e5d:01 can not hold 18446744073709551615 bytes", await daemon.LineAsync("18446744073709551615"), StringComparison.Ordinal);
        Assert.Equal(0u, Hold(Operation.HoldOf, 0, 99));
        Assert.Contains("there is no such instance", await daemon.LineAsync("for instance 99"), StringComparison.Ordinal);
        Assert.Equal(0u, Hold(Operation.HoldBehind, 0, 0));
        Assert.Contains("the size is 0", await daemon.LineAsync("can not hold 0 bytes"), StringComparison.Ordinal);
        Assert.Equal(1u, Hold(Operation.HoldOf, 0, 1));
    }

    [Fact]
    public async Task The_sixtyfifth_hold_is_refused_and_each_instance_has_its_own_bound()
    {
        await using var daemon = await ListenAsync();
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var device = Open(source);
        using var other = Open(source);
        using var memory = device.Allocate(Page);
        using var others = other.Allocate(Page);
        for (var slot = 1; slot <= 64; slot++)
        {
            Assert.Equal(1u, Ask(device, Operation.Hold, memory, slot));
        }

        Assert.Equal(0u, Ask(device, Operation.Hold, memory, slot: 65));
        Assert.Contains("64 are held for the instance already", await daemon.LineAsync("can not hold"), StringComparison.Ordinal);
        Assert.Equal(1u, Ask(other, Operation.Hold, others, slot: 66));
        Assert.Equal(1u, Ask(device, Operation.Release, slot: 9));
        Assert.Equal(1u, Ask(device, Operation.Hold, memory, slot: 65));
        Assert.Equal(0u, Ask(device, Operation.Hold, memory, slot: 67));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_instance_that_is_being_made_holds_nothing_and_one_that_was_refused_leaves_nothing(bool refused)
    {
        await using var daemon = await ListenAsync("--log-level", "Debug");
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var device = Open(source);
        using var memory = device.Allocate(Page);
        Ask(device, Operation.HoldWhenMade, memory, value: refused ? 1 : 0);

        if (refused)
        {
            Assert.Throws<VirtioUserException>(() => Open(source));
        }
        else
        {
            Open(source).Dispose();
        }

        await daemon.LineAsync("Instance 2 of 5655:7e5d:01 ended");

        Assert.Equal(2u, Ask(device, Operation.AnswerWhenMade));
        Assert.Contains("that is not inside an object that the instance holds", await daemon.LineAsync("for instance 2"), StringComparison.Ordinal);
        Assert.Equal(0u, Ask(device, Operation.HoldOf, memory, number: 2));
        Assert.Contains("there is no such instance", await daemon.LineAsync("no such instance"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_instance_that_closes_can_hold_until_its_last_callback_has_returned()
    {
        await using var daemon = await ListenAsync("--log-level", "Debug");
        var gone = DeviceSource.Daemon(_folder.SocketPath);
        var closing = Open(gone); // instance 1
        var stranger = Open(gone);
        var memory = closing.Allocate(Page);
        var page = Ask(closing, Operation.PageOf, memory);
        Assert.Equal(1u, Ask(closing, Operation.Hold, memory, slot: 7));
        Ask(closing, Operation.HoldAtEnd, slot: 7);
        Ask(closing, Operation.Poke, slot: 7, value: 60);
        closing.Send(new PingRequest(Metadata(Operation.Stay)), TestContext.Current.CancellationToken);
        Ask(stranger, Operation.AwaitStay);

        gone.Dispose(); // frees nothing: the host ends the instances, those that run a callback after it
        await daemon.LineAsync("Instance 2 of 5655:7e5d:01 ended");

        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var next = Open(source);
        using (var other = next.Allocate(Page))
        {
            Assert.Equal(page, Ask(next, Operation.PageOf, other)); // at the same place, in an arena of its own
            other.Span[0] = 61;
            Assert.Equal(60u, Ask(next, Operation.Peek, slot: 7));
        }

        Ask(next, Operation.Leave);
        await daemon.LineAsync("Instance 1 of 5655:7e5d:01 ended");
        Assert.Equal(1u, Ask(next, Operation.AnswerOfEnd));
        using var again = next.Allocate(Page);
        Assert.Equal(page, Ask(next, Operation.PageOf, again));
        Assert.Equal(-1, again.Span.IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public async Task Threads_that_hold_and_release_while_instances_end_leave_nothing_held()
    {
        const int Arena = 1 << 30, Rounds = 100, Slots = 2;
        await using var daemon = await ListenAsync("--arena-size", "1G");
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var survivor = Open(source);
        for (var round = 0; round < Rounds; round++)
        {
            var device = Open(source);
            var memory = device.Allocate(Arena);
            for (var slot = 0; slot < Slots; slot++)
            {
                Assert.Equal(1u, device.Call(new PingRequest(memory, (ulong)slot, 1, Metadata(Operation.Churn, slot))));
            }

            if (round % 2 == 0)
            {
                memory.Dispose(); // then they end because there is no object, or soon after
            }

            device.Dispose();
            for (var slot = 0; slot < Slots; slot++)
            {
                Assert.Equal(1u, Ask(survivor, Operation.Join, slot));
            }

            survivor.Allocate(Arena).Dispose();
        }

        await daemon.AssertStopsAsync();
    }

    private static VirtioUserDevice Open(DeviceSource source) => source.Open(TestDevices.Holding);

    private async Task<DaemonProcess> ListenAsync(params string[] arguments) =>
        await DaemonProcess.ListenAsync(_folder.SocketPath, [.. arguments, "--device", await NativeDevices.GetAsync("holding_device")]);
}
