// The daemon as a program: its socket, its end, its log, its metrics.
using System.Diagnostics;
using System.Text.Json;
using TestDevice.Dependency;
using Virtio.Linux;
using Virtio.VhostUser;
using VirtioUser.Daemon.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon.Tests;

public sealed class ProcessTests : IDisposable
{
    private readonly SocketFolder _folder = new();

    private static string[] Device => ["--device", BuildOutput.TestDevice];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_signal_ends_the_daemon_and_its_socket_while_a_callback_hangs()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, Device);
        using var driver = TestDriver.Boot(_folder.SocketPath);
        var (hung, other) = (driver.Create(), driver.Create());
        driver.Send(hung, TestOperation.Wait, Gates.New(), shared: driver.Allocate(hung, 4096));
        Assert.Equal(1u, driver.Call(other, TestOperation.Echo, 1));

        await daemon.AssertStopsAsync();

        Assert.False(File.Exists(_folder.SocketPath));
    }

    [Fact]
    public async Task A_signal_ends_each_instance_then_each_device_then_the_daemon()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, Device);
        string[] marks = [.. Enumerable.Range(0, 5).Select(i => $"{_folder.SocketPath}-{i}")];
        using (var former = TestDriver.Boot(_folder.SocketPath))
        {
            Mark(former, marks[0]); // its connection is over when the signal comes, it is not
        }

        using var driver = TestDriver.Boot(_folder.SocketPath);
        foreach (var mark in marks[1..])
        {
            Mark(driver, mark);
        }

        await daemon.AssertStopsAsync();

        Assert.All(marks, mark => Assert.True(File.Exists(mark), mark));
        Assert.Equal("ended after its instances: True", await File.ReadAllTextAsync($"{marks[^1]}-device", TestContext.Current.CancellationToken));

        static void Mark(TestDriver driver, string path)
        {
            var instance = driver.Create();
            var shared = driver.Allocate(instance, 4096);
            System.Text.Encoding.UTF8.GetBytes(path, driver.Bytes(shared));
            Assert.Equal(1u, driver.Call(instance, TestOperation.MarkEnd, shared: shared));
        }
    }

    [Fact]
    public async Task A_signal_ends_the_daemon_under_callbacks_that_touch_memory()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, Device);
        using var driver = TestDriver.Boot(_folder.SocketPath);
        var instance = driver.Create();
        var shared = driver.Allocate(instance, 256 << 20);
        for (var i = 0u; i < 4; i++)
        {
            driver.Send(instance, TestOperation.Fill, i, events: i == 0 ? 1u : 0u, shared);
        }

        driver.NextEvent(); // the second runs now, or soon

        await daemon.AssertStopsAsync();
    }

    [Fact]
    public async Task A_signal_ends_the_daemon_while_a_front_end_does_not_read_its_answers()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, Device);
        using var socket = UnixSocket.Connect(_folder.SocketPath);
        byte[] getFeatures = [1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        var asked = Task.Run(
            () =>
            {
                // Stands still when the daemon does; ends when the daemon does.
                while (true)
                {
                    socket.Send(getFeatures);
                }
            },
            TestContext.Current.CancellationToken);
        await daemon.LineAsync("A front-end connected");

        await daemon.AssertStopsAsync();
        await Assert.ThrowsAsync<LinuxException>(() => asked);
    }

    [Fact]
    public async Task A_socket_that_nobody_listens_on_is_replaced()
    {
        await using (var killed = await DaemonProcess.ListenAsync(_folder.SocketPath, Device))
        {
        }

        Assert.True(File.Exists(_folder.SocketPath));
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, Device);
        using var driver = TestDriver.Boot(_folder.SocketPath);
        Assert.Equal(2u, driver.Call(driver.Create(), TestOperation.Echo, 2));
    }

    [Fact]
    public async Task A_socket_in_use_and_a_file_that_is_none_are_left_alone()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, Device);
        await AssertRefusesAsync(1, "in use", ["--socket-path", _folder.SocketPath, .. Device]);
        var file = _folder.SocketPath + ".txt";
        await File.WriteAllTextAsync(file, "precious", TestContext.Current.CancellationToken);
        await AssertRefusesAsync(1, "in use", ["--socket-path", file, .. Device]);

        Assert.Equal("precious", await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken));
        using var driver = TestDriver.Boot(_folder.SocketPath);
        Assert.Equal(2u, driver.Call(driver.Create(), TestOperation.Echo, 2));
    }

    [Fact]
    public async Task An_inherited_connection_is_served_and_its_end_is_the_daemons()
    {
        var (mine, theirs) = UnixSocket.Pair();
        NativeMethods.MakeInheritable(theirs.Descriptor);
        var number = theirs.Descriptor.DangerousGetHandle();
        await using var daemon = await DaemonProcess.StartAsync(["--fd", $"{number}", .. Device]);
        theirs.Dispose();
        using (FrontEnd frontEnd = new(mine))
        {
            Assert.NotEqual(VirtioFeatures.None, frontEnd.GetFeatures());
        }

        Assert.Equal(0, await daemon.Exited);
    }

    [Fact]
    public async Task An_inherited_socket_that_listens_is_served_again_and_again()
    {
        using var socket = UnixSocket.Listen(_folder.SocketPath);
        NativeMethods.MakeInheritable(socket.Descriptor);
        await using var daemon = await DaemonProcess.StartAsync(["--fd", $"{socket.Descriptor.DangerousGetHandle()}", .. Device]);
        for (var i = 0u; i < 2; i++)
        {
            using var driver = TestDriver.Boot(_folder.SocketPath);
            Assert.Equal(i, driver.Call(driver.Create(), TestOperation.Echo, i));
        }

        await daemon.AssertStopsAsync();
    }

    [Fact]
    public async Task Capabilities_are_json()
    {
        await using var daemon = await DaemonProcess.StartAsync("--print-capabilities");

        Assert.Equal(0, await daemon.Exited);

        using var capabilities = JsonDocument.Parse(daemon.Output);
        Assert.Equal(JsonValueKind.String, capabilities.RootElement.GetProperty("type").ValueKind);
        Assert.Equal(JsonValueKind.Array, capabilities.RootElement.GetProperty("features").ValueKind);
        Assert.Empty(daemon.ErrorLines);
    }

    [Fact]
    public async Task A_large_arena_is_shown_as_asked_for_and_takes_no_memory()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, ["--arena-size", "64G", .. Device]);
        using var driver = TestDriver.Boot(_folder.SocketPath);
        var instance = driver.Create();
        Assert.Equal(64UL << 30, driver.Vm.ArenaLength);

        var first = driver.Allocate(instance, 63UL << 30);
        var last = driver.Allocate(instance, 1 << 30);
        var end = new PingMessage
        {
            InstanceHandle = instance,
            Metadata = TestDevices.Metadata(TestOperation.Fill, 1),
            ShmId = last.Id,
            ShmOffset = last.Size - 4096,
            ShmSize = 4096,
            Events = 1,
        };

        Assert.Equal(1u, driver.Call(end));
        Assert.NotEqual(first.Id, last.Id);
        Assert.Equal(4096, DaemonMemory.ArenaBytes(daemon.Id));
    }

    [Fact]
    public async Task Log_lines_can_be_json()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, ["--log-json", .. Device]);
        using (var driver = TestDriver.Boot(_folder.SocketPath))
        {
            driver.Call(driver.Create(), TestOperation.Throw);
        }

        await daemon.AssertStopsAsync();

        Assert.All(daemon.ErrorLines, line => Assert.NotNull(JsonDocument.Parse(line).RootElement.GetProperty("Message").GetString()));
        Assert.Contains(daemon.ErrorLines, line => line.Contains("its ping callback threw", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Guest_memory_that_could_shrink_is_refused_with_the_remedy()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, Device);
        using var vm = TestVm.Connect(_folder.SocketPath, new VmOptions { Sealed = false });

        Assert.Throws<VhostUserException>(vm.Start);

        Assert.Contains("seal=on", await daemon.LineAsync("not sealed against shrinking"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_daemon_that_may_poll_does_so_under_load()
    {
        var port = DaemonFixture.FreePort();
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, [.. Device, "--poll-us", "1000", "--metrics-port", $"{port}"]);
        using var metrics = new Metrics(port);
        using var driver = TestDriver.Boot(_folder.SocketPath);
        var instance = driver.Create();

        var began = Stopwatch.GetTimestamp();
        while ((await metrics.ReadAsync())["virtio_user_queue_poll_hits_total"] == 0)
        {
            for (var i = 0u; i < 1000; i++)
            {
                Assert.Equal(i, driver.Call(instance, TestOperation.Echo, i));
            }

            Patience.Left(began, "the daemon polls");
        }

        await daemon.AssertStopsAsync();
    }

    [Fact]
    public async Task Metrics_tell_what_happened()
    {
        var port = DaemonFixture.FreePort();
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, ["--metrics-port", $"{port}", .. Device]);
        using var metrics = new Metrics(port);
        using var driver = TestDriver.Boot(_folder.SocketPath);
        var instance = driver.Create();
        driver.Call(instance, TestOperation.Fill, shared: driver.Allocate(instance, 5000));
        driver.Ask(ConfigOperation.ExportMemory, instance, 12345);

        var values = await metrics.ReadAsync();

        Assert.Equal(1, values["virtio_user_connections_total"]);
        Assert.Equal(1, values["virtio_user_instances"]);
        Assert.Equal(1, values["virtio_user_objects"]);
        Assert.Equal(8192, values["virtio_user_memory_bytes"]);
        Assert.Equal(1, values["virtio_user_pings_total"]);
        Assert.Equal(8192, values["virtio_user_pings_bytes_total"]);
        Assert.Equal(1, values["virtio_user_events_total"]);
        Assert.Equal(3, values["virtio_user_config_requests_total"]);
        Assert.Equal(1, values["virtio_user_config_errors_total"]);
        await AssertRefusesAsync(1, "in use", ["--socket-path", _folder.SocketPath + "2", "--metrics-port", $"{port}", .. Device]);
    }

    [Trait("Category", "Field")]
    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("localhost")]
    [InlineData("metrics.example.org")]
    [InlineData("a.tunnel:8080")]
    public async Task Metrics_are_shown_under_any_name(string name)
    {
        var port = DaemonFixture.FreePort();
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, ["--metrics-port", $"{port}", .. Device]);
        using var client = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, $"http://127.0.0.1:{port}/metrics");
        request.Headers.Host = name;

        using var response = await client.SendAsync(request, TestContext.Current.CancellationToken);

        Assert.Equal(System.Net.HttpStatusCode.OK, response.StatusCode);
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.Contains("# TYPE virtio_user_connections_total counter\nvirtio_user_connections_total 0\n", text, StringComparison.Ordinal);
        Assert.Contains("# TYPE virtio_user_memory_bytes gauge\n", text, StringComparison.Ordinal);
        await daemon.AssertStopsAsync();
    }

    [Fact]
    public async Task A_web_server_is_loaded_only_for_metrics()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, Device);
        var files = await File.ReadAllTextAsync($"/proc/{daemon.Id}/maps", TestContext.Current.CancellationToken);

        Assert.Contains("VirtioUser.Host.dll", files, StringComparison.Ordinal);
        Assert.DoesNotContain("AspNetCore", files, StringComparison.Ordinal);
        Assert.DoesNotContain("Prometheus", files, StringComparison.Ordinal);
        Assert.DoesNotContain("VirtioUser.Daemon.Metrics", files, StringComparison.Ordinal);
        var configuration = await File.ReadAllTextAsync(BuildOutput.Daemon + ".runtimeconfig.json", TestContext.Current.CancellationToken);
        Assert.DoesNotContain("AspNetCore", configuration, StringComparison.Ordinal); // the daemon starts without it
    }

    [Theory]
    [InlineData(2, "--socket-path=PATH or --fd=N")]
    [InlineData(2, "--socket-path=PATH or --fd=N", "--device", "x.dll", "--fd", "3", "--socket-path", "s")]
    [InlineData(2, "--device", "--socket-path", "s")]
    [InlineData(2, "--nonsense", "--nonsense")]
    [InlineData(2, "argument", "--socket-path", "s", "--device")]
    [InlineData(2, "power of two", "--socket-path", "s", "--device", "x.dll", "--arena-size", "3G")]
    [InlineData(2, "power of two", "--socket-path", "s", "--device", "x.dll", "--arena-size", "512M")]
    [InlineData(2, "power of two", "--socket-path", "s", "--device", "x.dll", "--arena-size", "18446744073709551616")]
    [InlineData(2, "power of two", "--socket-path", "s", "--device", "x.dll", "--arena-size", "-1G")]
    [InlineData(2, "65535", "--socket-path", "s", "--device", "x.dll", "--metrics-port", "65536")]
    [InlineData(2, "65535", "--socket-path", "s", "--device", "x.dll", "--metrics-port", "abc")]
    [InlineData(2, "1000", "--socket-path", "s", "--device", "x.dll", "--poll-us", "1001")]
    [InlineData(2, "1M to 32T", "--socket-path", "s", "--device", "x.dll", "--max-guest-memory", "much")]
    [InlineData(2, "1M to 32T", "--socket-path", "s", "--device", "x.dll", "--max-guest-memory", "0")]
    [InlineData(2, "1M to 32T", "--socket-path", "s", "--device", "x.dll", "--max-guest-memory", "33T")]
    [InlineData(2, "argument", "--socket-path", "s", "--device", "x.dll", "--max-guest-memory")]
    [InlineData(2, "0 to 86400", "--socket-path", "s", "--device", "x.dll", "--yield-after", "-1")]
    [InlineData(2, "0 to 86400", "--socket-path", "s", "--device", "x.dll", "--yield-after", "soon")]
    [InlineData(2, "1 to 4096", "--socket-path", "s", "--device", "x.dll", "--max-connections", "0")]
    [InlineData(2, "1 to 4096", "--socket-path", "s", "--device", "x.dll", "--max-connections", "many")]
    [InlineData(2, "two listeners have the name s", "--socket-path", "a/s.sock", "--socket-path", "b/s", "--device", "x.dll")]
    [InlineData(2, "two listeners have the name gpu", "--socket-path", "gpu=a", "--socket-path", "gpu=b", "--device", "x.dll")]
    [InlineData(2, "no name before the '='", "--socket-path", "=s", "--device", "x.dll")]
    [InlineData(2, "no name before the '='", "--socket-path", "a.b=s", "--device", "x.dll")]
    [InlineData(2, "no name before the '='", "--socket-path", "a-name-of-more-than-32-characters-x=s", "--device", "x.dll")]
    [InlineData(2, "no path behind the '='", "--socket-path", "gpu=", "--device", "x.dll")]
    [InlineData(2, "no path behind the '='", "--socket-path", "gpu=,arena-size=2G", "--device", "x.dll")]
    [InlineData(2, "s: arena-size=3G is not a power of two", "--socket-path", "s,arena-size=3G", "--device", "x.dll")]
    [InlineData(2, "arena-size= is not a power of two", "--socket-path", "s,arena-size=", "--device", "x.dll")]
    [InlineData(2, "arena-size= is not a power of two", "--socket-path", "s,arena-size", "--device", "x.dll")]
    [InlineData(2, "max-guest-memory=33T is not a size", "--socket-path", "s,arena-size=2G,max-guest-memory=33T", "--device", "x.dll")]
    [InlineData(2, "trust-front-end=maybe is not on or off", "--socket-path", "s,trust-front-end=maybe", "--device", "x.dll")]
    [InlineData(2, "arena is no option of a listener", "--socket-path", "s,arena=2G", "--device", "x.dll")]
    [InlineData(2, " is no option of a listener", "--socket-path", "s,", "--device", "x.dll")]
    [InlineData(2, "Write a comma in a path twice", "--socket-path", "a,b", "--device", "x.dll")]
    [InlineData(2, "two listeners have the name s", "--socket-path", "s,arena-size=2G", "--socket-path", "s", "--device", "x.dll")]
    [InlineData(2, "is empty", "--socket-path", "s", "--socket-path", "", "--device", "x.dll")]
    [InlineData(2, "'maybe'", "--socket-path", "s", "--device", "x.dll", "--trust-front-end", "maybe")]
    [InlineData(2, "--fd -1", "--fd", "-1", "--device", "x.dll")]
    [InlineData(2, "--fd 2", "--fd", "2", "--device", "x.dll")]
    [InlineData(2, "Critical", "--socket-path", "s", "--device", "x.dll", "--log-level", "loud")]
    [InlineData(2, "virtio-id", "--socket-path", "s", "--device", "x.dll", "--virtio-id", "-1")]
    [InlineData(1, "no file", "--socket-path", "s", "--device", "x.dll")]
    [InlineData(1, "not a .NET assembly", "--socket-path", "s", "--device", "/etc/hostname")]
    public async Task A_bad_command_line_gets_one_sentence_and_an_exit_code(int exitCode, string sentence, params string[] arguments) =>
        await AssertRefusesAsync(exitCode, sentence, arguments);

    [Fact]
    public async Task What_can_not_be_opened_is_named()
    {
        await AssertRefusesAsync(1, "Descriptor 99 ", ["--fd", "99", .. Device]);
        await AssertRefusesAsync(1, "/nowhere/s", ["--socket-path", "/nowhere/s", .. Device]);
        await AssertRefusesAsync(2, "at most", ["--socket-path", "/" + new string('x', 200), .. Device]);
        await AssertRefusesAsync(1, "stands twice", ["--socket-path", _folder.SocketPath, .. Device, .. Device]);
        await AssertRefusesAsync(1, "no public class", ["--socket-path", _folder.SocketPath, "--device", typeof(ProcessTests).Assembly.Location]);
    }

    private static async Task AssertRefusesAsync(int exitCode, string sentence, params string[] arguments)
    {
        await using var daemon = await DaemonProcess.StartAsync(arguments);
        Assert.Equal(exitCode, await daemon.Exited);
        var line = Assert.Single(daemon.ErrorLines);
        Assert.StartsWith("virtio-userd: ", line, StringComparison.Ordinal);
        Assert.Contains(sentence, line, StringComparison.Ordinal);
        Assert.Equal("", daemon.Output);
    }
}
