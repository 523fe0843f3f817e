// Who is served when more front-ends want to be than there are places.
using TestDevice.Dependency;
using Virtio.Linux;
using VirtioUser.Daemon.Tests.Support;

namespace VirtioUser.Daemon.Tests;

public sealed class TurnTests : IDisposable
{
    private readonly SocketFolder _folder = new();

    private static string[] Arguments => ["--max-connections", "1", "--yield-after", "1", "--device", BuildOutput.TestDevice];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(new byte[0])]
    [InlineData(new byte[] { 1, 0, 0, 0, 1, 0 })] // half a header
    [InlineData(new byte[] { 2, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 1 })] // a payload that does not end
    public async Task Who_connects_and_sends_no_whole_message_yields_to_the_next(byte[] bytes)
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, Arguments);
        using var silent = UnixSocket.Connect(_folder.SocketPath);
        if (bytes.Length > 0)
        {
            silent.Send(bytes);
        }

        await daemon.LineAsync("A front-end connected");

        AssertServes(1);

        Assert.Contains("no running driver for 1 s, and another front-end waits", await daemon.LineAsync("The connection ends"), StringComparison.Ordinal);
        Assert.True(silent.HasEnded);
        await daemon.AssertStopsAsync();
    }

    [Fact]
    public async Task Who_negotiates_and_starts_no_driver_yields_to_the_next()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, Arguments);
        using var vm = TestVm.Connect(_folder.SocketPath);

        AssertServes(2);

        await daemon.LineAsync("another front-end waits");
    }

    [Fact]
    public async Task Who_has_stopped_its_driver_yields_to_the_next()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, Arguments);
        using var driver = TestDriver.Boot(_folder.SocketPath);
        Assert.Equal(1u, driver.Call(driver.Create(), TestOperation.Echo, 1));
        driver.Vm.Stop();

        AssertServes(2);
    }

    [Fact]
    public async Task A_running_driver_keeps_its_connection_whoever_waits()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, ["--max-connections", "1", "--yield-after", "0", "--device", BuildOutput.TestDevice]);
        using var driver = TestDriver.Boot(_folder.SocketPath);
        var instance = driver.Create();
        using var waiting = UnixSocket.Connect(_folder.SocketPath);
        for (var i = 0u; i < 200; i++)
        {
            Assert.Equal(i, driver.Call(instance, TestOperation.Echo, i));
        }

        Assert.DoesNotContain(daemon.ErrorLines, line => line.Contains("another front-end waits", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Who_waited_and_went_ends_no_connection()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, Arguments);
        using var vm = TestVm.Connect(_folder.SocketPath);
        for (var i = 0; i < 5; i++)
        {
            using var gone = UnixSocket.Connect(_folder.SocketPath);
        }

        // Whoever is accepted after those has had to wait for their turn to be refused.
        using var waiting = UnixSocket.Connect(_folder.SocketPath);
        Assert.NotEqual(0ul, (ulong)vm.FrontEnd.GetFeatures());
        await daemon.LineAsync("another front-end waits");
        Assert.Single(daemon.ErrorLines, line => line.Contains("another front-end waits", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Silent_connections_in_a_row_are_all_gone_through()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, ["--max-connections", "1", "--yield-after", "0", "--device", BuildOutput.TestDevice]);
        var silent = Enumerable.Range(0, 10).Select(_ => UnixSocket.Connect(_folder.SocketPath)).ToList();

        AssertServes(3);

        silent.ForEach(socket => socket.Dispose());
        await daemon.AssertStopsAsync();
    }

    [Fact]
    public async Task A_daemon_out_of_descriptors_serves_again_when_it_has_some()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, ["--device", BuildOutput.TestDevice]);
        AssertServes(1);
        DaemonMemory.WaitForArenas(daemon.Id, 0);
        LimitDescriptors(daemon.Id, "8:");
        using (UnixSocket.Connect(_folder.SocketPath))
        {
            await daemon.LineAsync("which is tried again");
        }

        LimitDescriptors(daemon.Id, "1024:");
        AssertServes(2);
        await daemon.AssertStopsAsync();
    }

    /// <summary>Guards <c>RuntimeThreads</c>: the end of the connection is the first work for the runtime's thread pool.</summary>
    [Fact]
    public async Task A_connection_that_ends_while_no_descriptor_is_left_ends_that_one_alone()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, ["--device", BuildOutput.TestDevice]);
        using (var driver = TestDriver.Boot(_folder.SocketPath))
        {
            Assert.Equal(1u, driver.Call(driver.Create(), TestOperation.Echo, 1));
            LimitDescriptors(daemon.Id, "8:");
        }

        await daemon.LineAsync("The front-end disconnected");
        DaemonMemory.WaitForArenas(daemon.Id, 0);
        LimitDescriptors(daemon.Id, "1024:");
        AssertServes(2);
        await daemon.AssertStopsAsync();
    }

    [Fact]
    public async Task A_front_end_without_a_place_waits_until_the_first_is_gone()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, Arguments);
        Task<uint> served;
        using (var first = TestDriver.Boot(_folder.SocketPath))
        {
            served = Task.Run(
                () =>
                {
                    using var second = TestDriver.Boot(_folder.SocketPath);
                    return second.Call(second.Create(), TestOperation.Echo, 2);
                },
                TestContext.Current.CancellationToken);

            Assert.Equal(1u, first.Call(first.Create(), TestOperation.Echo, 1));
            Assert.False(served.IsCompleted);
        }

        Assert.Equal(2u, await served.WaitAsync(Patience.Limit, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task The_one_that_has_been_longest_without_a_driver_yields_and_no_other()
    {
        await using var daemon = await DaemonProcess.ListenAsync(
            _folder.SocketPath, ["--max-connections", "4", "--yield-after", "1", "--device", BuildOutput.TestDevice]);
        using var running = TestDriver.Boot(_folder.SocketPath);
        using var stopped = TestDriver.Boot(_folder.SocketPath);
        using var silent = UnixSocket.Connect(_folder.SocketPath);
        using var later = TestVm.Connect(_folder.SocketPath);
        stopped.Vm.Stop();

        AssertServes(3);

        Assert.True(silent.HasEnded);
        Assert.NotEqual(0ul, (ulong)later.FrontEnd.GetFeatures());
        Assert.NotEqual(0ul, (ulong)stopped.Vm.FrontEnd.GetFeatures());
        Assert.Equal(5u, running.Call(running.Create(), TestOperation.Echo, 5));
        Assert.Single(daemon.ErrorLines, line => line.Contains("another front-end waits", StringComparison.Ordinal));
        await daemon.AssertStopsAsync();
    }

    [Fact]
    public async Task Places_that_become_free_are_all_given_again()
    {
        const int Places = 3;
        await using var daemon = await DaemonProcess.ListenAsync(
            _folder.SocketPath, ["--max-connections", $"{Places}", "--device", BuildOutput.TestDevice]);
        for (var round = 0; round < 5; round++)
        {
            var drivers = Enumerable.Range(0, Places).Select(_ => TestDriver.Boot(_folder.SocketPath)).ToList();
            using var waiting = UnixSocket.Connect(_folder.SocketPath);
            for (var i = 0u; i < Places; i++)
            {
                Assert.Equal(i, drivers[(int)i].Call(drivers[(int)i].Create(), TestOperation.Echo, i));
            }

            drivers.ForEach(driver => driver.Dispose());
        }

        await daemon.AssertStopsAsync();
    }

    [Fact]
    public async Task Those_who_wait_at_one_listener_leave_room_at_another()
    {
        const int Room = 16;
        var other = _folder.SocketPath + "2";
        await using var daemon = await DaemonProcess.ListenAsync(
            _folder.SocketPath, ["--socket-path", $"other={other}", "--max-connections", "1", "--yield-after", "0", "--device", BuildOutput.TestDevice]);
        List<UnixSocket> silent;
        Task served;
        using (var driver = TestDriver.Boot(_folder.SocketPath))
        {
            silent = [.. Enumerable.Range(0, Room + 1).Select(_ => UnixSocket.Connect(_folder.SocketPath))];
            await daemon.LineAsync($"{Room} others wait already");
            served = Task.Run(
                () =>
                {
                    using var second = TestDriver.Boot(other);
                    Assert.Equal(2u, second.Call(second.Create(), TestOperation.Echo, 2));
                },
                TestContext.Current.CancellationToken);
            Assert.Equal(1u, driver.Call(driver.Create(), TestOperation.Echo, 1));
        }

        await served.WaitAsync(Patience.Limit, TestContext.Current.CancellationToken);
        silent.ForEach(socket => socket.Dispose());
        Assert.Single(daemon.ErrorLines, line => line.Contains("was turned away", StringComparison.Ordinal));
        await daemon.AssertStopsAsync();
    }

    private static void LimitDescriptors(int process, string limit)
    {
        using var prlimit = System.Diagnostics.Process.Start("prlimit", ["--pid", $"{process}", $"--nofile={limit}"]);
        prlimit.WaitForExit();
        Assert.Equal(0, prlimit.ExitCode);
    }

    private void AssertServes(uint value)
    {
        using var driver = TestDriver.Boot(_folder.SocketPath);
        Assert.Equal(value, driver.Call(driver.Create(), TestOperation.Echo, value));
    }
}
