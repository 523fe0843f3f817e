// Arenas and queues of other sizes than the usual.
using TestDevice.Dependency;

namespace VirtioUser.Vm.Tests;

public sealed class SizeTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("64G", 128)]
    [InlineData("1G", 1)]
    [InlineData("1G", 1024)]
    public async Task A_C_program_and_a_kernel_driver_go_through_every_operation_with(string arenaSize, int queueSize)
    {
        await using var rig = await VmRig.StartAsync(["--arena-size", arenaSize], queueSize, cancellationToken: Cancelled);
        await rig.RunAsync(
            $"{GuestImage.DriverFolderInGuest}/tests/virtio_user_smoke {GuestShell.Node} {TestDevices.Metadata(TestOperation.Length)}");
        await rig.RunAsync(
            $"timeout 60 insmod {GuestImage.DriverFolderInGuest}/selftest/virtio_user_selftest.ko vendor={TestDevices.Vendor} device={TestDevices.Test} " +
            $"metadata={TestDevices.Metadata(TestOperation.Length)} && rmmod virtio_user_selftest");
        await rig.AssertNothingLeftAsync();
        rig.AssertKernelsContent();
    }
}
