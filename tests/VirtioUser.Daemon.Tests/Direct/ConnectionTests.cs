// A program without a VM, and daemons that are not there, busy, or killed.
using TestDevice.Dependency;
using Virtio.Linux;
using VirtioUser.Daemon.Tests.Support;
using VirtioUser.Guest;

namespace VirtioUser.Daemon.Tests.Direct;

public sealed class ConnectionTests : IDisposable
{
    private readonly SocketFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_killed_daemon_fails_everything_at_once_and_the_same_source_finds_the_next_one()
    {
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        await using var killed = await ListenAsync();
        using var pinging = source.Open();
        using var reading = source.Open();
        using var sending = source.Open();
        using var memory = pinging.Allocate(4096);
        memory.Span.Fill(7);
        var hang = Program.Ping(TestOperation.Wait, Gates.New());
        var sent = pinging.PingAsync(hang, TestContext.Current.CancellationToken);
        var waits = new[]
        {
            sent,
            Program.Blocking(() => pinging.Ping(hang)),
            Program.Blocking(() => reading.ReadEvent()),
            Program.Blocking(() => reading.ReadEvent()),
            Program.Blocking(() => SendForEver(sending, hang)),
        };
        Assert.Equal(5u, reading.Call(TestOperation.Echo, 5));

        await killed.DisposeAsync();

        foreach (var wait in waits)
        {
            Assert.Equal(Errno.ENODEV, (await Assert.ThrowsAsync<VirtioUserException>(() => wait)).Errno);
        }

        AssertGone(() => pinging.Ping(hang));
        AssertGone(() => pinging.Send(hang));
        AssertGone(() => pinging.Allocate(4096));
        AssertGone(() => memory.Export());
        AssertGone(() => reading.TryReadEvent(out _));
        Assert.Equal(7, memory.Span[4095]);

        var nobody = Assert.Throws<VirtioUserException>(() => source.Open());
        Assert.Equal(Errno.ECONNREFUSED, nobody.Errno);
        Assert.Contains(_folder.SocketPath, nobody.Message, StringComparison.Ordinal);

        await using var next = await ListenAsync();
        using var device = source.Open();
        Assert.Equal(6u, device.Call(TestOperation.Echo, 6));
        AssertGone(() => pinging.Ping(hang));
    }

    [Fact]
    public async Task A_daemon_that_went_and_came_while_nobody_looked_is_found_at_the_first_attempt()
    {
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        await using (await ListenAsync())
        {
            source.Open().Call(TestOperation.Echo);
        }

        await using var next = await ListenAsync();

        Assert.NotEmpty(source.List());
        using var device = source.Open();
        Assert.Equal(1u, device.Call(TestOperation.Count));
    }

    [Fact]
    public void A_path_where_nobody_listens_is_named_in_the_error()
    {
        using var source = DeviceSource.Daemon(_folder.SocketPath);

        var missing = Assert.Throws<VirtioUserException>(() => source.List());

        Assert.Equal(Errno.ENOENT, missing.Errno);
        Assert.Contains(_folder.SocketPath, missing.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_fails_says_why_in_the_devices_words_and_the_hosts()
    {
        await using var daemon = await ListenAsync();
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        var refused = Assert.Throws<VirtioUserException>(() => source.Open(TestDevices.Failing));
        Assert.EndsWith("(EIO): This device makes no instances.", refused.Message, StringComparison.Ordinal);
        using var device = source.Open();
        var full = Assert.Throws<VirtioUserException>(() => device.Allocate(1UL << 40));
        Assert.EndsWith($"(ENOMEM): {1UL << 40} bytes are no size in a region of {1UL << 30}", full.Message, StringComparison.Ordinal);

        var failed = Assert.Throws<PingFailedException>(() => device.Call(TestOperation.Throw));

        Assert.Equal((false, false, 0), (failed.IsRefused, failed.IsInterrupted, failed.Code));
        Assert.EndsWith(": The guest asked for an exception.", failed.Message, StringComparison.Ordinal);
        foreach (var over in new[] { () => device.Call(TestOperation.Echo), () => (uint)device.Allocate(1).Length, () => (uint)device.Import(1).Length })
        {
            var ended = await Assert.ThrowsAsync<VirtioUserException>(() => Program.Blocking(() =>
            {
                while (true)
                {
                    try
                    {
                        over();
                    }
                    catch (PingFailedException)
                    {
                        // The notice that the instance has ended is on its way.
                    }
                }
            }));
            Assert.Equal(Errno.EIO, ended.Errno);
            Assert.EndsWith("(EIO): The guest asked for an exception.", ended.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_device_that_is_not_offered_and_a_version_that_is_not_are_told_apart()
    {
        await using var daemon = await ListenAsync();
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        var offered = source.List().Select(node => node.Identity).ToList();
        var (vendor, device) = (offered[0].Vendor, offered[0].Device);
        var versions = offered.Where(identity => (identity.Vendor, identity.Device) == (vendor, device)).ToList();

        var missing = Assert.Throws<VirtioUserException>(() => DeviceNode.Find(0x7fff, 0x7fff, source: source));
        var newer = Assert.Throws<VirtioUserException>(() => DeviceNode.Find(vendor, device, 999, source: source));

        Assert.EndsWith($"open: there is no such device, only {string.Join(", ", offered)}", missing.Message, StringComparison.Ordinal);
        Assert.EndsWith($"the program speaks versions from 999 to {uint.MaxValue}, the host has only {string.Join(", ", versions.Select(each => each.Version))}", newer.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_program_that_finds_the_daemon_busy_is_told_so_however_often_it_tries_and_is_served_afterwards()
    {
        await using var daemon = await ListenAsync("--max-connections", "1");
        using var other = new DaemonSource(_folder.SocketPath, TimeSpan.Zero) { Patience = TimeSpan.FromMilliseconds(100) };
        using (var first = DeviceSource.Daemon(_folder.SocketPath))
        {
            using var device = first.Open();
            for (var attempt = 0u; attempt < 5; attempt++)
            {
                var busy = Assert.Throws<VirtioUserException>(() => other.List());
                Assert.Equal(Errno.ETIMEDOUT, busy.Errno);
                Assert.Contains("serving another front-end", busy.Message, StringComparison.Ordinal);
                Assert.Equal(attempt, device.Call(TestOperation.Echo, attempt));
            }
        }

        // The first one's end, and of those that gave up, is noticed by the daemon only by and by.
        using var patient = DeviceSource.Daemon(_folder.SocketPath);
        using var served = patient.Open();
        Assert.Equal(9u, served.Call(TestOperation.Echo, 9));
    }

    [Fact]
    public async Task Two_sources_are_two_daemons_and_neither_minds_the_other()
    {
        using var otherFolder = new SocketFolder();
        await using var daemon = await ListenAsync();
        await using var other = await DaemonProcess.ListenAsync(otherFolder.SocketPath, "--device", BuildOutput.SecondDevice);
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var otherSource = DeviceSource.Daemon(otherFolder.SocketPath);
        using var device = source.Open();
        using var second = otherSource.Open(TestDevices.Second);
        Assert.Equal(Errno.ENOENT, Assert.Throws<VirtioUserException>(() => otherSource.Open()).Errno);

        var echoes = new[] { device, second }.Select(each => Program.Blocking(() =>
        {
            for (var i = 0u; i < 1000; i++)
            {
                Assert.Equal(i, each.Call(TestOperation.Echo, i));
            }
        }));
        await Task.WhenAll(echoes);
        await daemon.DisposeAsync();

        AssertGone(() => device.Call(TestOperation.Echo));
        Assert.Equal(3u, second.Call(TestOperation.Echo, 3));
    }

    [Fact]
    public async Task A_source_that_is_disposed_of_ends_what_is_under_way_and_the_daemon_serves_the_next_one()
    {
        await using var daemon = await ListenAsync();
        var source = DeviceSource.Daemon(_folder.SocketPath);
        using var device = source.Open();
        var reading = Program.Blocking(() => device.ReadEvent());
        Assert.Equal(1u, device.Call(TestOperation.Echo, 1));

        source.Dispose();

        Assert.Equal(Errno.ENODEV, (await Assert.ThrowsAsync<VirtioUserException>(() => reading)).Errno);
        AssertGone(() => device.Call(TestOperation.Echo));
        Assert.Throws<ObjectDisposedException>(() => source.List());
        using var next = DeviceSource.Daemon(_folder.SocketPath);
        using var again = next.Open();
        Assert.Equal(2u, again.Call(TestOperation.Echo, 2));
    }

    private static uint SendForEver(VirtioUserDevice device, PingRequest request)
    {
        while (true)
        {
            device.Send(request);
        }
    }

    private static void AssertGone(Action action) => Assert.Equal(Errno.ENODEV, Assert.Throws<VirtioUserException>(action).Errno);

    private Task<DaemonProcess> ListenAsync(params string[] options) =>
        DaemonProcess.ListenAsync(_folder.SocketPath, ["--device", BuildOutput.TestDevice, .. options]);
}
