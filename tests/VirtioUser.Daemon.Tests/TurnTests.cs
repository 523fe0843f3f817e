// Who is served when more than one front-end wants to be.
using TestDevice.Dependency;
using Virtio.Linux;
using VirtioUser.Daemon.Tests.Support;

namespace VirtioUser.Daemon.Tests;

public sealed class TurnTests : IDisposable
{
    private readonly SocketFolder _folder = new();

    private static string[] Arguments => ["--yield-after", "1", "--device", BuildOutput.TestDevice];

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
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, ["--yield-after", "0", "--device", BuildOutput.TestDevice]);
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
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, ["--yield-after", "0", "--device", BuildOutput.TestDevice]);
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
