// The end of an instance of a library, with pings open, and an end that takes time.
using NativeDevice;
using VirtioUser.Daemon.Tests.Support;
using VirtioUser.Guest;
using static NativeDevice.AnsweringDevice;
using static VirtioUser.Daemon.Tests.Plugins.AnswerTests;

namespace VirtioUser.Daemon.Tests.Plugins;

public sealed class EndTests : IDisposable
{
    private const int Page = 4096;

    // As AnsweringDevice.Stage has them: ending, told, destroyed.
    private const uint WholeEnd = 123;

    private readonly SocketFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_library_hears_of_the_end_and_completes_what_is_open(bool goes)
    {
        await using var daemon = await ListenAsync();
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var other = Open(source);
        using var gone = DeviceSource.Daemon(_folder.SocketPath);
        var device = Open(gone);
        Ask(device, Operation.LetsGo, number: 7);
        _ = Keep(device, other, slot: 1);

        End(device, gone, goes);

        await daemon.LineAsync("Instance 1 of 5655:7e5f:01 ended");
        Assert.Equal(WholeEnd, Ask(other, Operation.Stages, slot: 1));
        Assert.Equal(0u, Ask(other, Operation.AskLate, slot: 1));
        Assert.Equal(5u, Ask(other, Operation.AtOnce, number: 5));
        await daemon.AssertStopsAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_instance_ends_only_after_its_open_ping(bool goes)
    {
        await using var daemon = await ListenAsync();
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var other = Open(source);
        using var gone = DeviceSource.Daemon(_folder.SocketPath);
        var device = Open(gone);
        using var memory = device.Allocate(Page);
        _ = device.PingAsync(new PingRequest(memory, Metadata(Operation.Keep, slot: 1)), TestContext.Current.CancellationToken);
        Ask(other, Operation.AwaitKept, slot: 1);

        End(device, gone, goes);

        Ask(other, Operation.Await, slot: 1, number: (uint)Stage.Told);
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal(12u, Ask(other, Operation.Stages, slot: 1));
        }

        Ask(other, Operation.Poke, slot: 1, number: 9, other: 60); // its bytes are there still
        Assert.Equal(60u, Ask(other, Operation.Peek, slot: 1, number: 9));
        Assert.Equal(1u, Ask(other, Operation.Complete, slot: 1));
        await daemon.LineAsync("Instance 1 of 5655:7e5f:01 ended");
        Assert.Equal(WholeEnd, Ask(other, Operation.Stages, slot: 1));
        Assert.Equal(0u, Ask(other, Operation.AskLate, slot: 1));
        await daemon.AssertStopsAsync();
    }

    [Fact]
    public async Task An_idle_instance_hears_of_its_end_too()
    {
        await using var daemon = await ListenAsync();
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var other = Open(source);
        var device = Open(source);
        var kept = Keep(device, other, slot: 1);
        Ask(other, Operation.Complete, slot: 1);
        await kept;

        device.Dispose();

        Ask(other, Operation.Await, slot: 1, number: (uint)Stage.Destroyed);
        Assert.Equal(WholeEnd, Ask(other, Operation.Stages, slot: 1));
    }

    /// <summary>The functions run at the same time here: the one must not have the other's state freed.</summary>
    [Fact]
    public async Task An_instance_ends_only_after_the_library_has_been_told()
    {
        await using var daemon = await ListenAsync();
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var other = Open(source);
        using var gone = DeviceSource.Daemon(_folder.SocketPath);
        var device = Open(gone);
        Ask(device, Operation.StaysEnding);
        _ = Keep(device, other, slot: 1);

        gone.Dispose();
        Ask(other, Operation.Await, slot: 1, number: (uint)Stage.Ending);
        Assert.Equal(1u, Ask(other, Operation.Complete, slot: 1));
        for (var i = 0; i < 1000; i++)
        {
            Assert.Equal(1u, Ask(other, Operation.Stages, slot: 1));
        }

        Ask(other, Operation.Leave, slot: 1);
        Ask(other, Operation.Await, slot: 1, number: (uint)Stage.Destroyed);
        Assert.Equal(WholeEnd, Ask(other, Operation.Stages, slot: 1));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_end_is_over_when_the_library_says_so(bool goes)
    {
        await using var daemon = await ListenAsync();
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var other = Open(source);
        using var gone = DeviceSource.Daemon(_folder.SocketPath);
        var device = Open(gone);
        var memory = device.Allocate(Page);
        memory.Span.Fill(1);
        Assert.Equal(1u, Ask(device, Operation.Hold, memory));
        Ask(device, Operation.StaysDestroyed);
        var kept = Keep(device, other, slot: 1);
        Assert.Equal(0u, Ask(other, Operation.CompleteDestroy, slot: 1)); // it has not begun
        Assert.Equal(1u, Ask(other, Operation.Complete, slot: 1));
        await kept;
        Assert.Equal(0u, Ask(other, Operation.CompleteDestroy, slot: 1));

        End(device, gone, goes);

        Ask(other, Operation.Await, slot: 1, number: (uint)Stage.Destroyed);
        Assert.Equal(1u, Ask(other, Operation.PeekHeld, slot: 1, number: 9));
        Assert.DoesNotContain(daemon.ErrorLines, line => line.Contains("Instance 1 of 5655:7e5f:01 ended", StringComparison.Ordinal));
        Assert.Equal(1u, Ask(other, Operation.CompleteDestroy, slot: 1));
        Assert.Equal(0u, Ask(other, Operation.CompleteDestroy, slot: 1));
        await daemon.LineAsync("Instance 1 of 5655:7e5f:01 ended");
        Assert.Equal(0u, Ask(other, Operation.AskLate, slot: 1));
        await daemon.AssertStopsAsync();
    }

    [Fact]
    public async Task Sixteen_ends_that_take_time_keep_no_thread()
    {
        const int Ends = 16, Few = 8;
        await using var daemon = await ListenAsync();
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var other = Open(source);
        var gone = DeviceSource.Daemon(_folder.SocketPath);
        for (var slot = 1; slot <= Ends; slot++)
        {
            var device = Open(gone);
            Ask(device, Operation.StaysDestroyed);
            _ = Keep(device, other, slot);
            Ask(other, Operation.Complete, slot);
        }

        gone.Dispose();
        for (var slot = 1; slot <= Ends; slot++)
        {
            Ask(other, Operation.Await, slot, number: (uint)Stage.Destroyed);
        }

        Assert.InRange(DaemonMemory.Threads(daemon.Id, "worker"), 1, Few);
        for (var slot = 1; slot <= Ends; slot++)
        {
            Assert.Equal(1u, Ask(other, Operation.CompleteDestroy, slot));
        }

        DaemonMemory.WaitForArenas(daemon.Id, 1);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_daemon_stops_although_something_is_never_complete(bool end)
    {
        await using var daemon = await ListenAsync();
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var other = Open(source);
        using var device = Open(source);
        if (end)
        {
            Ask(device, Operation.StaysDestroyed);
        }
        else
        {
            _ = Keep(device, other, slot: 1);
        }

        await daemon.AssertStopsAsync();
    }

    [Fact]
    public async Task Pings_can_be_complete_while_their_instances_end()
    {
        const int Rounds = 200;
        await using var daemon = await ListenAsync();
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var survivor = Open(source);
        for (var round = 0; round < Rounds; round++)
        {
            var device = Open(source);
            using var memory = device.Allocate(Page);
            for (var i = 0; i < 8; i++)
            {
                device.Send(new PingRequest(memory, Metadata(Operation.Soon)), TestContext.Current.CancellationToken);
            }

            if (round % 2 == 0)
            {
                memory.Dispose();
            }

            device.Dispose();
        }

        Assert.Equal(5u, Ask(survivor, Operation.AtOnce, number: 5));
        await daemon.AssertStopsAsync();
        Assert.DoesNotContain(daemon.ErrorLines, line => line.Contains("still in a callback", StringComparison.Ordinal));
    }

    private static void End(VirtioUserDevice device, DeviceSource source, bool goes)
    {
        if (goes)
        {
            source.Dispose(); // frees nothing: the host ends the instances
        }
        else
        {
            device.Dispose();
        }
    }

    private async Task<DaemonProcess> ListenAsync() =>
        await DaemonProcess.ListenAsync(_folder.SocketPath, "--log-level", "Debug", "--device", await NativeDevices.GetAsync("answering_device"));
}
