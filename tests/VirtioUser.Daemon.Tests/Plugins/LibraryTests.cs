// Shared libraries that the daemon loads, and those with which it does not start.
using NativeDevice;
using VirtioUser.Daemon.Tests.Direct;
using VirtioUser.Daemon.Tests.Support;
using VirtioUser.Guest;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon.Tests.Plugins;

public sealed class LibraryTests : IDisposable
{
    private readonly SocketFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Libraries_stand_beside_assemblies_and_write_to_the_log()
    {
        await using var daemon = await DaemonProcess.ListenAsync(
            _folder.SocketPath, "--device", await NativeDevices.GetAsync("test_device"), "--device", BuildOutput.Digest, await NativeDevices.GetAsync("mapping_device"));

        Assert.Contains("libtest_device.so", await daemon.LineAsync("The test device in C is here"), StringComparison.Ordinal);
        Assert.Contains("libmapping_device.so", await daemon.LineAsync("5655:7e5c:01"), StringComparison.Ordinal);
        await daemon.AssertStopsAsync();
    }

    [Fact]
    public async Task The_example_does_what_the_one_in_csharp_does()
    {
        var answers = new List<string>();
        foreach (var device in new[] { BuildOutput.Reverse, await NativeDevices.GetAsync("reverse") })
        {
            await using var daemon = await DaemonProcess.StartAsync("try", "--device", device, "--", "dotnet", BuildOutput.ReverseGuest);
            Assert.Equal(0, await daemon.Exited);
            answers.Add(daemon.Output);
        }

        Assert.Equal(["1234:0001:01 answered 1: Hello from the guest!", "1234:0001:01 answered 1: Hello from the guest!"], answers);
    }

    /// <summary>The longest delay is longer than this waits for anything.</summary>
    [Fact]
    public async Task The_example_that_answers_later_does_and_lets_go_of_what_is_open_at_the_end()
    {
        await using var daemon = await DaemonProcess.ListenAsync(
            _folder.SocketPath, "--log-level", "Debug", "--device", await NativeDevices.GetAsync("delay"));
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        var device = VirtioUserDevice.Open(0x1234, 0x0005, source: source);
        using (var other = VirtioUserDevice.Open(0x1234, 0x0005, source: source))
        {
            var open = device.PingAsync(new PingRequest(60_000), TestContext.Current.CancellationToken);
            foreach (var delay in new ulong[] { 0, 10, 1 })
            {
                Assert.Equal(1u, other.Call(new PingRequest(delay)));
            }

            Assert.Equal(Revents.FailedWith(1), Assert.Throws<PingFailedException>(() => other.Call(new PingRequest(60_001))).Revents);
            Assert.False(open.IsCompleted);
            device.Send(new PingRequest(60_000), TestContext.Current.CancellationToken); // comes after the end has begun
            device.Dispose();
            await daemon.LineAsync("Instance 1 of 1234:0005:01 ended");
        }

        await daemon.AssertStopsAsync();
    }

    [Fact]
    public async Task A_library_of_the_first_version_works_as_it_did()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, "--device", await NativeDevices.GetAsync("first_device"));
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        for (var ended = 0u; ended < 3; ended++)
        {
            using var device = VirtioUserDevice.Open(0x5655, 0x7E60, source: source);
            using var memory = device.Allocate(4096);
            Assert.Equal(100 + ended, device.Call(new PingRequest(memory, 7)));
            Assert.Equal(7u, device.ReadEvent(TestContext.Current.CancellationToken));
            Assert.Equal(1, memory.Span[0]);
        }

        await daemon.AssertStopsAsync();
    }

    [Fact]
    public async Task A_library_that_could_not_complete_what_it_begins_is_refused() => await AssertRefusedAsync(
        [await NativeDevices.GetAsync("mute_device")], "libmute_device.so exports on_instance_ping_async, but not virtio_user_plugin_init");

    [Fact]
    public async Task Functions_that_are_missing_are_named() => await AssertRefusedAsync(
        [await NativeDevices.GetAsync("missing_functions")], "libmissing_functions.so does not export get_device_config_info, on_instance_ping:");

    [Fact]
    public async Task A_library_that_calls_what_nobody_has_is_refused_at_the_start() => await AssertRefusedAsync(
        [await NativeDevices.GetAsync("unbound_device")], "libunbound_device.so could not be loaded: ", "nobody_has_this");

    [Fact]
    public async Task A_device_that_does_not_want_to_start_is_heard() => await AssertRefusedAsync(
        [await NativeDevices.GetAsync("unwilling_device")], "libunwilling_device.so returned false: there is no camera.");

    [Fact]
    public async Task A_pair_that_an_assembly_has_already_is_refused_with_both_places() => await AssertRefusedAsync(
        [BuildOutput.TestDevice, await NativeDevices.GetAsync("test_device")],
        "Vendor 5655, device 7e5a stands twice: TestDevice.ManyVersionsDevice in ", "TestDevice.dll and ", "libtest_device.so");

    [Theory]
    [InlineData(18, 183, "is for another machine: 64-bit little-endian arm64")] // e_machine
    [InlineData(4, 1, "is for another machine: 32-bit")] // EI_CLASS
    [InlineData(5, 2, "is for another machine: 64-bit big-endian")] // EI_DATA
    [InlineData(16, 2, "is an ELF file, but no shared library")] // e_type
    [InlineData(0, 0, "is not an ELF file")]
    public async Task A_file_for_another_machine_or_purpose_is_told(int at, byte value, string words)
    {
        var bytes = await File.ReadAllBytesAsync(await NativeDevices.GetAsync("test_device"), TestContext.Current.CancellationToken);
        bytes[at] = value;
        await AssertRefusedAsync([await WriteAsync("libwrong.so", bytes)], "libwrong.so " + words);
    }

    [Theory]
    [InlineData(0, "is not an ELF file")]
    [InlineData(19, "is cut off")]
    [InlineData(100, "could not be loaded")]
    public async Task A_file_that_was_cut_off_is_told(int length, string words)
    {
        var bytes = await File.ReadAllBytesAsync(await NativeDevices.GetAsync("test_device"), TestContext.Current.CancellationToken);
        await AssertRefusedAsync([await WriteAsync("libcut.so.1", bytes[..length])], "libcut.so.1 " + words);
    }

    [Fact]
    public async Task A_library_is_known_by_its_first_bytes_under_any_name()
    {
        var bytes = await File.ReadAllBytesAsync(await NativeDevices.GetAsync("test_device"), TestContext.Current.CancellationToken);
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, "--device", await WriteAsync("device.dll", bytes));
        await daemon.AssertStopsAsync();
    }

    private async Task<string> WriteAsync(string name, byte[] bytes)
    {
        var path = Path.Combine(Path.GetDirectoryName(_folder.SocketPath)!, name);
        await File.WriteAllBytesAsync(path, bytes, TestContext.Current.CancellationToken);
        return path;
    }

    private async Task AssertRefusedAsync(string[] devices, params string[] words)
    {
        await using var daemon = await DaemonProcess.StartAsync(["--socket-path", _folder.SocketPath, .. devices.SelectMany(device => new[] { "--device", device })]);

        Assert.Equal(1, await daemon.Exited);
        var said = Assert.Single(daemon.ErrorLines);
        Assert.All(words, word => Assert.Contains(word, said, StringComparison.Ordinal));
        Assert.False(File.Exists(_folder.SocketPath));
    }
}
