// The bound on what guests and front-ends can write into the log.
using System.Diagnostics;
using TestDevice.Dependency;
using Virtio.Linux;
using Virtio.Queues;
using Virtio.VhostUser;
using VirtioUser.Daemon.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon.Tests;

public sealed class LogTests : IDisposable
{
    // As documented.
    private const int Burst = 20, LinesPerSecond = 5;

    private readonly SocketFolder _folder = new();

    private static string[] Device => ["--device", BuildOutput.TestDevice];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task All_that_one_connection_can_cause_shares_one_budget()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, Device);
        var began = Stopwatch.GetTimestamp();
        var before = daemon.ErrorLines.Count;
        using (var driver = TestDriver.Boot(_folder.SocketPath))
        {
            var tooShort = new GuestBuffer(driver.Vm.Ram.Take(16), 16);
            for (var i = 0; i < 200; i++)
            {
                driver.Ask(ConfigOperation.FreeMemory); // refused
                driver.Call(0, TestOperation.Echo); // to no instance
                driver.Vm.Pings.SendChain([tooShort], []); // no ping
                driver.WaitForPings();
                Assert.Throws<VhostUserException>(() => driver.Vm.FrontEnd.SetVring(99, driver.Vm.Pings.UserLayout, 0));
            }
        }

        await daemon.LineAsync("guest-triggered log messages suppressed");
        var seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        await daemon.AssertStopsAsync();

        // Connected, disconnected, and a count of what was suppressed at most every 5 seconds and at the end.
        Assert.InRange(daemon.ErrorLines.Count - before, Burst, Burst + 6 + ((LinesPerSecond + 1) * seconds));
    }

    [Fact]
    public async Task Exceptions_of_devices_are_lines_out_of_the_budget_without_their_stacks()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, Device);
        var began = Stopwatch.GetTimestamp();
        using (var driver = TestDriver.Boot(_folder.SocketPath))
        {
            for (var i = 0; i < 200; i++)
            {
                driver.Send(driver.Create(), TestOperation.Throw);
                driver.NextEvent();
                driver.NextEvent();
            }
        }

        await daemon.LineAsync("guest-triggered log messages suppressed");
        var seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        await daemon.AssertStopsAsync();

        Assert.Contains(daemon.ErrorLines, line => line.Contains("its ping callback threw: System.InvalidOperationException: The guest asked", StringComparison.Ordinal));
        Assert.DoesNotContain(daemon.ErrorLines, line => line.Contains(" at TestDevice.", StringComparison.Ordinal));
        Assert.InRange(daemon.ErrorLines.Count, Burst, Burst + 16 + ((LinesPerSecond + 1) * seconds));
    }

    [Fact]
    public async Task The_stack_is_there_for_who_asks_for_it()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, ["--log-level", "Debug", .. Device]);
        using var driver = TestDriver.Boot(_folder.SocketPath);
        driver.Send(driver.Create(), TestOperation.Throw);
        driver.NextEvent();

        Assert.Contains(" at TestDevice.", await daemon.LineAsync("its ping callback threw"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Each_of_many_connections_at_once_has_a_budget_of_its_own()
    {
        const int Count = 60;
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, Device);
        var vms = Enumerable.Range(0, Count).Select(_ => TestVm.Connect(_folder.SocketPath)).ToList();
        foreach (var vm in vms.SkipLast(1))
        {
            for (var i = 0; i < 2 * Burst; i++)
            {
                Refuse(vm);
            }
        }

        Refuse(vms[^1]);

        await daemon.LineAsync($"s {Count} (", "refused");
        vms.ForEach(vm => vm.Dispose());
        await daemon.AssertStopsAsync();

        static void Refuse(TestVm vm) => Assert.Throws<VhostUserException>(() => vm.FrontEnd.SetVringEnable(99, true));
    }

    [Fact]
    public async Task Who_connects_again_and_again_fills_no_log_either()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, Device);
        var began = Stopwatch.GetTimestamp();
        for (var i = 0; i < 300; i++)
        {
            using var socket = UnixSocket.Connect(_folder.SocketPath);
            socket.Send([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]); // no message of this protocol
            Assert.True(SpinWait.SpinUntil(() => socket.HasEnded, Patience.Limit));
        }

        var seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        await daemon.AssertStopsAsync();

        // Three budgets' worth at the most: the listener's, one line in each of the first 20, and what comes back with time.
        Assert.InRange(daemon.ErrorLines.Count, 20, 80 + (10 * seconds));
    }
}
