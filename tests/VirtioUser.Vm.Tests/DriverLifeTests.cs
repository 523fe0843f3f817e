// Loading, unloading, unbinding and unplugging, with and without programs that hold files.
using TestDevice.Dependency;

namespace VirtioUser.Vm.Tests;

public sealed class DriverLifeTests : VmTest
{
    private const string Driver = GuestImage.DriverFolderInGuest + "/virtio_user.ko";
    private const string Unbind =
        "dev=$(basename $(ls -d /sys/bus/virtio/drivers/virtio_user/virtio*)); echo $dev > /sys/bus/virtio/drivers/virtio_user/unbind";

    [Fact]
    public async Task A_plain_C_program_goes_through_every_file_operation()
    {
        var metadata = TestDevices.Metadata(TestOperation.Length).ToString(System.Globalization.CultureInfo.InvariantCulture);
        var output = await Rig.RunAsync($"{GuestImage.DriverFolderInGuest}/tests/virtio_user_smoke {GuestShell.Node} {metadata}");
        Assert.DoesNotContain("not ok", output, StringComparison.Ordinal);
        Assert.Matches(@"(?m)^ok \d+ - ", output);
        Assert.Matches(@"(?m)^1\.\.\d+$", output);
        await Rig.AssertNothingLeftAsync();
        Rig.AssertKernelsContent();
    }

    [Fact]
    public async Task Another_kernel_driver_uses_the_in_kernel_functions()
    {
        await Rig.RunAsync(
            $"insmod {GuestImage.DriverFolderInGuest}/selftest/virtio_user_selftest.ko " +
            $"vendor={TestDevices.Vendor} device={TestDevices.Test} metadata={TestDevices.Metadata(TestOperation.Length)} && rmmod virtio_user_selftest");
        await Rig.AssertNothingLeftAsync();
        Rig.AssertKernelsContent();
    }

    [Fact]
    public async Task The_arena_is_mapped_write_back()
    {
        var address = Rig.Daemon.LogTail.Split('\n').Last(line => line.Contains("sees the arena at", StringComparison.Ordinal)).Split(' ')[^1];
        var lines = (await Rig.RunAsync("cat /sys/kernel/debug/x86/pat_memtype_list")).Split('\n');
        Assert.Contains(lines, line => line.Contains(address, StringComparison.OrdinalIgnoreCase) && line.Contains("write-back", StringComparison.Ordinal));
        Assert.DoesNotContain(lines, line => line.Contains(address, StringComparison.OrdinalIgnoreCase) && line.Contains("uncached", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Loaded_again_and_again_it_shows_the_same_nodes()
    {
        var before = await Rig.RunAsync("ls -l /dev/virtio-user | grep -c ^crw-------; ls /dev/virtio-user");
        for (var i = 0; i < 5; i++)
        {
            await Rig.RunAsync("rmmod virtio_user && test ! -e /dev/virtio-user/5655:7e57:01");
            Assert.Equal(before, await Rig.RunAsync($"insmod {Driver} && ls -l /dev/virtio-user | grep -c ^crw-------; ls /dev/virtio-user"));
            Assert.Equal("42", (await Rig.RunAsync($"{GuestShell.Open}; {GuestShell.Ping(TestOperation.Echo, 42, 1)}; {GuestShell.ReadEvent}")).Trim());
        }

        Rig.AssertKernelsContent();
    }

    [Fact]
    public async Task Unloading_is_refused_while_a_program_holds_a_file()
    {
        await Rig.RunAsync($"{GuestShell.Open}; if rmmod virtio_user; then exit 1; fi; exec 3>&-; rmmod virtio_user && insmod {Driver}");
        Rig.AssertKernelsContent();
    }

    [Fact]
    public async Task Unbound_under_a_program_every_call_of_it_fails_and_nothing_hangs()
    {
        var reader = await StartBlockedReaderAsync();
        await Rig.RunAsync(
            $"{GuestShell.Open}; {Unbind}; test ! -e {GuestShell.Node} || exit 1; " +
            $"if {GuestShell.Ping(TestOperation.Echo, 1)} 2>/dev/null; then exit 2; fi; if head -c 4 <&3 2>/dev/null; then exit 3; fi; " +
            "echo $dev > /sys/bus/virtio/drivers/virtio_user/bind");
        await AssertReaderFailedAsync(reader);
        Assert.Equal("7", (await Rig.RunAsync($"{GuestShell.Open}; {GuestShell.Ping(TestOperation.Echo, 7, 1)}; {GuestShell.ReadEvent}")).Trim());
        await Rig.RunAsync("rmmod virtio_user");
        await Rig.AssertNothingLeftAsync();
        Rig.AssertKernelsContent();
    }

    [Fact]
    public async Task Unplugged_under_a_program_every_call_of_it_fails_and_nothing_hangs()
    {
        var reader = await StartBlockedReaderAsync();
        await Rig.Machine.RemoveDeviceAsync(0, Cancelled);
        await AssertReaderFailedAsync(reader);
        await Rig.RunAsync($"test ! -e {GuestShell.Node}; rmmod virtio_user");
        Rig.AssertKernelsContent();
    }

    // The reader says that it is about to block; then its answer never comes.
    private async Task<GuestCommand> StartBlockedReaderAsync()
    {
        TaskCompletionSource ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
        var reader = await Rig.Machine.StartCommandAsync(
            ["sh", "-c", $"{GuestShell.Open}; {GuestShell.Ping(TestOperation.Echo, 5, 1)}; {GuestShell.ReadEvent}; head -c 4 <&3"],
            _ => ready.TrySetResult(), cancellationToken: Cancelled);
        await ready.Task.WaitAsync(Cancelled);
        return reader;
    }

    private static async Task AssertReaderFailedAsync(GuestCommand reader)
    {
        var result = await reader.WaitAsync(Cancelled);
        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains("No such device", result.Error, StringComparison.Ordinal);
    }
}
