// Pings that a library answers later.
using NativeDevice;
using TestDevice.Dependency;
using VirtioUser.Daemon.Tests.Direct;
using VirtioUser.Daemon.Tests.Support;
using VirtioUser.Guest;
using VirtioUser.Protocol;
using static NativeDevice.AnsweringDevice;

namespace VirtioUser.Daemon.Tests.Plugins;

public sealed class AnswerTests : IDisposable
{
    private const int Page = 4096;

    private readonly SocketFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_ping_is_answered_when_the_library_completes_it_and_the_next_one_waits_for_that()
    {
        await using var daemon = await ListenAsync();
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var device = Open(source);
        using var other = Open(source);
        var first = Keep(device, other, slot: 1);
        var second = device.PingAsync(new PingRequest(Metadata(Operation.AtOnce, number: 22)), TestContext.Current.CancellationToken);

        for (var i = 1u; i <= 100; i++)
        {
            Assert.Equal(i, Ask(other, Operation.AtOnce, number: i));
        }

        Assert.False(first.IsCompleted || second.IsCompleted);
        Assert.Equal(1u, Ask(other, Operation.Complete, slot: 1, number: uint.MaxValue));
        Assert.Equal(Revents.DeviceMask, await first);
        Assert.Equal(22u, await second);
        await daemon.AssertStopsAsync();
    }

    [Fact]
    public async Task A_ping_can_be_complete_before_its_callback_returns()
    {
        await using var daemon = await ListenAsync();
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var device = Open(source);

        for (var i = 0u; i < 1000; i++)
        {
            Assert.Equal(i, Ask(device, Operation.AtOnce, number: i));
            Assert.Equal(1u, Ask(device, Operation.InCallback));
            Assert.Equal(1u, Ask(device, Operation.Soon));
        }
    }

    [Fact]
    public async Task Only_an_open_ping_of_the_instance_can_be_completed_and_only_once()
    {
        await using var daemon = await ListenAsync("--device", BuildOutput.SecondDevice);
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var device = Open(source);
        using var strange = Open(source);
        using var other = Open(source);
        var kept = Keep(device, other, slot: 1);
        var foreign = Keep(strange, other, slot: 2);

        Assert.Equal(0u, Ask(other, Operation.CompleteFor, slot: 1, other: 2)); // another instance's
        Assert.Equal(0u, Ask(other, Operation.CompleteFor, slot: 1, other: 9)); // nobody's
        Assert.Equal(0u, Ask(other, Operation.CompleteFor, slot: 9, other: 1)); // number 0
        foreach (var number in new[] { 1, 2, 3, 1000, -1, -1000 })
        {
            Assert.Equal(0u, Ask(other, Operation.CompleteNumber, slot: 1, number: unchecked((uint)number)));
        }

        Assert.False(kept.IsCompleted || foreign.IsCompleted);
        Assert.Equal(1u, Ask(other, Operation.Complete, slot: 1, number: 11));
        Assert.Equal(11u, await kept);
        Assert.Equal(0u, Ask(other, Operation.Complete, slot: 1, number: 12));
        Assert.Equal(0u, Ask(other, Operation.Fail, slot: 1, number: 12));

        // The number of a ping that is over means nothing to the next one, of the same instance or not.
        var next = Keep(device, other, slot: 3);
        Assert.Equal(0u, Ask(other, Operation.Complete, slot: 1, number: 12));
        Assert.False(next.IsCompleted || foreign.IsCompleted);
        Assert.Equal(1u, Ask(other, Operation.Complete, slot: 3, number: 13));
        Assert.Equal(13u, await next);
        Assert.Equal(1u, Ask(other, Operation.Complete, slot: 2, number: 14));
        Assert.Equal(14u, await foreign);
        await daemon.AssertStopsAsync();
    }

    [Fact]
    public async Task The_bytes_stay_the_pings_until_it_is_complete()
    {
        await using var daemon = await ListenAsync();
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var device = Open(source);
        using var other = Open(source);
        var memory = device.Allocate(Page);
        memory.Span.Fill(1);
        var page = Ask(device, Operation.PageOf, memory);
        var kept = device.PingAsync(new PingRequest(memory, 100, 50, Metadata(Operation.Keep, slot: 1)), TestContext.Current.CancellationToken);
        Ask(other, Operation.AwaitKept, slot: 1);

        memory.Dispose();
        using (var fresh = other.Allocate(Page))
        {
            fresh.Span.Fill(2);
            Assert.NotEqual(page, Ask(other, Operation.PageOf, fresh));
            Assert.Equal(1u, Ask(other, Operation.Peek, slot: 1, number: 49));
            Ask(other, Operation.Poke, slot: 1, number: 49, other: 60);
            Assert.Equal(60u, Ask(other, Operation.Peek, slot: 1, number: 49));
            Assert.Equal(-1, fresh.Span.IndexOfAnyExcept((byte)2));
        }

        Assert.Equal(1u, Ask(other, Operation.Complete, slot: 1));
        Assert.Equal(0u, await kept);
        using var again = other.Allocate(Page);
        Assert.Equal(page, Ask(other, Operation.PageOf, again));
        Assert.Equal(-1, again.Span.IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public async Task One_ping_can_fail_with_a_code_and_the_instance_goes_on()
    {
        const uint MaxCode = 0x3fffff;
        await using var daemon = await ListenAsync();
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var device = Open(source);
        using var other = Open(source);
        foreach (var code in new[] { 0u, 1u, MaxCode })
        {
            var failed = Assert.Throws<PingFailedException>(() => Ask(device, Operation.FailAtOnce, number: code));
            Assert.Equal(Revents.FailedWith((int)code), failed.Revents);
        }

        var kept = Keep(device, other, slot: 1);
        Assert.Equal(0u, Ask(other, Operation.Fail, slot: 1, number: MaxCode + 1));
        Assert.Equal(0u, Ask(other, Operation.Fail, slot: 1, number: uint.MaxValue));
        Assert.False(kept.IsCompleted);
        Assert.Equal(1u, Ask(other, Operation.Fail, slot: 1, number: 7));
        Assert.Equal(Revents.FailedWith(7), (await Assert.ThrowsAsync<PingFailedException>(() => kept)).Revents);
        Assert.Equal(5u, Ask(device, Operation.AtOnce, number: 5));
        await daemon.AssertStopsAsync();
    }

    [Fact]
    public async Task Sixty_four_open_pings_keep_no_thread()
    {
        const int Open = 64, Few = 8; // up to four idle threads, and those that are about to be
        await using var daemon = await ListenAsync();
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var other = AnswerTests.Open(source);
        List<VirtioUserDevice> devices = [.. Enumerable.Range(1, Open).Select(_ => AnswerTests.Open(source))];
        List<Task<uint>> kept = [.. devices.Select((device, index) => Keep(device, other, slot: 1 + index))];

        Assert.InRange(DaemonMemory.Threads(daemon.Id, "worker"), 1, Few);

        for (var slot = Open; slot >= 1; slot--)
        {
            Assert.Equal(1u, Ask(other, Operation.Complete, slot, number: (uint)slot));
            Assert.Equal((uint)slot, await kept[slot - 1]);
        }

        devices.ForEach(device => device.Dispose());
    }

    /// <summary>Both guests call their instance the same.</summary>
    [Fact]
    public async Task A_ping_of_a_vm_that_is_gone_is_nobody_elses()
    {
        await using var daemon = await ListenAsync();
        using (var driver = TestDriver.Boot(_folder.SocketPath))
        {
            var former = driver.Create(TestDevices.Answering);
            driver.Send(Message(former, Operation.Keep, slot: 1));
            Assert.Equal(1u, driver.Call(Message(driver.Create(TestDevices.Answering), Operation.AwaitKept, slot: 1)));
        }

        using var next = TestDriver.Boot(_folder.SocketPath);
        var instance = next.Create(TestDevices.Answering);
        var other = next.Create(TestDevices.Answering);
        next.Send(Message(instance, Operation.Keep, slot: 2));
        Assert.Equal(1u, next.Call(Message(other, Operation.AwaitKept, slot: 2)));
        Assert.Equal(0u, next.Call(Message(other, Operation.CompleteFor, slot: 1, other: 2)));
        Assert.Equal(0u, next.Call(Message(other, Operation.CompleteFor, slot: 2, other: 1)));

        Assert.Equal(1u, next.Call(Message(other, Operation.Complete, slot: 1, number: 11)));
        DaemonMemory.WaitForArenas(daemon.Id, 1); // the former VM's was kept for its ping
        Assert.Equal(0u, next.Call(Message(other, Operation.AskLate, slot: 1)));

        next.Send(Message(other, Operation.Complete, slot: 2, number: 22));
        EventMessage[] events = [next.NextEvent(), next.NextEvent()];
        Assert.Equal([new EventMessage(instance, 22), new EventMessage(other, 1)], events.OrderBy(each => each.InstanceHandle));
        await daemon.AssertStopsAsync();
    }

    internal static VirtioUserDevice Open(DeviceSource source) => source.Open(TestDevices.Answering);

    /// <summary>Sends a ping that stays open; when this returns the library has it.</summary>
    internal static Task<uint> Keep(VirtioUserDevice device, VirtioUserDevice other, int slot)
    {
        var kept = device.PingAsync(new PingRequest(Metadata(Operation.Keep, slot)), TestContext.Current.CancellationToken);
        Ask(other, Operation.AwaitKept, slot);
        return kept.WaitAsync(Patience.Limit);
    }

    private static PingMessage Message(ulong instance, Operation operation, int slot, uint number = 0, int other = 0) =>
        new() { InstanceHandle = instance, Metadata = Metadata(operation, slot, number, other), Events = 1 };

    private async Task<DaemonProcess> ListenAsync(params string[] arguments) =>
        await DaemonProcess.ListenAsync(_folder.SocketPath, [.. arguments, "--device", await NativeDevices.GetAsync("answering_device")]);
}
