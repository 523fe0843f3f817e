// Several listeners of one daemon: their names in the log and the metrics.
using System.Text.Json;
using TestDevice.Dependency;
using Virtio.Linux;
using Virtio.VhostUser;
using VirtioUser.Daemon.Tests.Support;

namespace VirtioUser.Daemon.Tests;

public sealed class ListenerTests : IDisposable
{
    private const uint GetProtocolFeatures = 15, SetProtocolFeatures = 16, SetChannel = 21, NeedsReply = 1 | 8;

    private readonly SocketFolder _folder = new();

    private static string[] Device => ["--device", BuildOutput.TestDevice];

    private string Other => _folder.SocketPath + "2";

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Each_listener_serves_and_its_metrics_have_its_name()
    {
        var port = DaemonFixture.FreePort();
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, ["--socket-path", $"gpu-2={Other}", "--metrics-port", $"{port}", .. Device]);
        using var metrics = new Metrics(port);
        using var first = TestDriver.Boot(_folder.SocketPath);
        using var second = TestDriver.Boot(Other);
        using var third = TestDriver.Boot(Other);
        foreach (var driver in new[] { first, second, third })
        {
            Assert.Equal(7u, driver.Call(driver.Create(), TestOperation.Echo, 7));
        }

        var values = await metrics.ReadAsync();

        Assert.Equal((1, 2), (values["virtio_user_connections_total{listener=\"s\"}"], values["virtio_user_connections_total{listener=\"gpu-2\"}"]));
        Assert.Equal((1, 2), (values["virtio_user_pings_total{listener=\"s\"}"], values["virtio_user_pings_total{listener=\"gpu-2\"}"]));
        Assert.Equal((1, 2), (values["virtio_user_instances{listener=\"s\"}"], values["virtio_user_instances{listener=\"gpu-2\"}"]));
        await daemon.AssertStopsAsync();
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.GetDirectoryName(_folder.SocketPath)!));
    }

    [Fact]
    public async Task Lines_of_a_connection_name_its_listener_its_number_and_its_peer_whatever_thread_writes_them()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, ["--socket-path", $"gpu={Other}", "--log-json", .. Device]);
        using (var driver = TestDriver.Boot(Other))
        {
            driver.Send(driver.Create(), TestOperation.Throw); // on a thread of the device model
            driver.NextEvent();
        }

        await daemon.LineAsync("The front-end disconnected");
        using (TestVm.Connect(_folder.SocketPath))
        {
        }

        foreach (var text in new[] { "A front-end connected", "A driver starts the device", "its ping callback threw", "The front-end disconnected" })
        {
            var scope = ScopeOf(await daemon.LineAsync(text, "\"Listener\":\"gpu\""));
            Assert.Equal(("gpu", 1), (scope.GetProperty("Listener").GetString(), scope.GetProperty("Connection").GetInt32()));
            Assert.Equal(Environment.ProcessId, scope.GetProperty("PeerProcess").GetInt32());
            Assert.Equal(NativeMethods.GetUserId(), scope.GetProperty("PeerUser").GetUInt32());
        }

        await daemon.AssertStopsAsync();
        var last = ScopeOf(daemon.ErrorLines.Last(line => line.Contains("The front-end disconnected", StringComparison.Ordinal)));
        Assert.Equal(("s", 2), (last.GetProperty("Listener").GetString(), last.GetProperty("Connection").GetInt32()));
    }

    [Fact]
    public async Task Lines_for_people_begin_with_the_same()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, Device);
        using (TestVm.Connect(_folder.SocketPath))
        {
        }

        Assert.Contains($"s 1 (pid {Environment.ProcessId}, uid ", await daemon.LineAsync("A front-end connected"), StringComparison.Ordinal);
        await daemon.AssertStopsAsync();
    }

    [Theory]
    [InlineData("a=b", "a=b", "a-b")]
    [InlineData("a,b", "a,,b", "a-b")]
    [InlineData("a,", "a,,,arena-size=2G", "a-")]
    public async Task A_path_with_an_equals_sign_or_a_comma_can_be_given(string file, string written, string name)
    {
        var folder = Path.GetDirectoryName(_folder.SocketPath)!;
        await using var daemon = await DaemonProcess.ListenAsync(Path.Combine(folder, written), Device);
        using (TestVm.Connect(Path.Combine(folder, file)))
        {
        }

        Assert.Contains($" as {name};", await daemon.LineAsync("Listening on"), StringComparison.Ordinal);
        await daemon.AssertStopsAsync();
    }

    [Fact]
    public async Task Each_listener_has_an_arena_size_of_its_own()
    {
        await using var daemon = await DaemonProcess.ListenAsync(
            _folder.SocketPath, ["--socket-path", $"large={Other},arena-size=4G", "--arena-size", "2G", .. Device]);
        using var first = TestDriver.Boot(_folder.SocketPath);
        using var second = TestDriver.Boot(Other);

        Assert.Equal((2UL << 30, 4UL << 30), (first.Vm.ArenaLength, second.Vm.ArenaLength));
        foreach (var driver in new[] { first, second })
        {
            driver.Allocate(driver.Create(), driver.Vm.ArenaLength); // all of it can be had
        }
    }

    [Fact]
    public async Task Each_listener_takes_as_much_guest_memory_as_it_is_told()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath + ",max-guest-memory=1M", ["--socket-path", $"large={Other}", .. Device]);
        using (var small = TestVm.Connect(_folder.SocketPath))
        {
            Assert.Contains("refused", Assert.Throws<VhostUserException>(small.TellMemory).Message, StringComparison.Ordinal);
        }

        await daemon.LineAsync("at most 1048576 are accepted");
        using var driver = TestDriver.Boot(Other);
        Assert.Equal(7u, driver.Call(driver.Create(), TestOperation.Echo, 7));
    }

    [Theory]
    [InlineData("trust-front-end=off", "--trust-front-end")]
    [InlineData("max-guest-memory=1G", "--log-json")]
    public async Task Each_listener_trusts_its_front_ends_or_not(string limit, string option)
    {
        await using var daemon = await DaemonProcess.ListenAsync(
            $"{_folder.SocketPath},{limit}", ["--socket-path", $"trusted={Other},trust-front-end=on", option, .. Device]);
        VmOptions options = new() { Sealed = false };
        using (var doubtful = TestVm.Connect(_folder.SocketPath, options))
        {
            Assert.Throws<VhostUserException>(doubtful.TellMemory);
        }

        await daemon.LineAsync("--trust-front-end");
        using var driver = TestDriver.Boot(Other, options);
        Assert.Equal(7u, driver.Call(driver.Create(), TestOperation.Echo, 7));
    }

    [Fact]
    public async Task A_second_path_that_can_not_be_made_ends_the_daemon_and_leaves_no_socket()
    {
        await using var daemon = await DaemonProcess.StartAsync(["--socket-path", _folder.SocketPath, "--socket-path", "other=/nowhere/s", .. Device]);

        Assert.Equal(1, await daemon.Exited);
        Assert.Contains("/nowhere/s", Assert.Single(daemon.ErrorLines), StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.GetDirectoryName(_folder.SocketPath)!));
    }

    /// <summary>Without the front-end both would live for good: each has the other's end as its channel.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Two_connections_can_not_keep_each_other(bool twoListeners)
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, ["--socket-path", $"other={Other}", .. Device]);
        using (TestVm.Connect(_folder.SocketPath))
        {
        }

        DaemonMemory.WaitForArenas(daemon.Id, 0);
        using var first = Negotiate(_folder.SocketPath);
        using var second = Negotiate(twoListeners ? Other : _folder.SocketPath);

        Assert.NotEqual(0ul, SetBackEndChannel(first, second));
        Assert.NotEqual(0ul, SetBackEndChannel(second, first));

        first.Dispose();
        second.Dispose();
        DaemonMemory.WaitForArenas(daemon.Id, 0);
        await daemon.AssertStopsAsync();
    }

    private static JsonElement ScopeOf(string line) =>
        JsonDocument.Parse(line).RootElement.GetProperty("Scopes").EnumerateArray().Single(scope => scope.TryGetProperty("Listener", out _));

    private static UnixSocket Negotiate(string path)
    {
        var socket = UnixSocket.Connect(path);
        socket.ReceiveTimeout = Patience.Limit;
        socket.Send(Message(GetProtocolFeatures, 1));
        socket.Send([.. Message(SetProtocolFeatures, 1, 8), .. BitConverter.GetBytes(ReceiveNumber(socket))]);
        return socket;
    }

    private static ulong SetBackEndChannel(UnixSocket socket, UnixSocket channel)
    {
        socket.Send(Message(SetChannel, NeedsReply), [channel.Descriptor]);
        return ReceiveNumber(socket);
    }

    private static ulong ReceiveNumber(UnixSocket socket)
    {
        using var none = new ReceivedDescriptors(0);
        var reply = new byte[20];
        Assert.Equal(20, socket.Receive(reply, none));
        return BitConverter.ToUInt64(reply, 12);
    }

    private static byte[] Message(uint request, uint flags, uint size = 0) =>
        [.. BitConverter.GetBytes(request), .. BitConverter.GetBytes(flags), .. BitConverter.GetBytes(size)];
}
