// Memory that is plugged into a running VM, up to what QEMU can tell a daemon and beyond.
using System.Globalization;
using System.Text.Json.Nodes;
using TestDevice.Dependency;

namespace VirtioUser.Vm.Tests;

public sealed class HotplugTests
{
    // A memory table has eight regions: the VM's first memory, six of these, and the arena.
    private const int Room = 6;

    private static readonly string Smoke =
        $"{GuestImage.DriverFolderInGuest}/tests/virtio_user_smoke {GuestShell.Node} {TestDevices.Metadata(TestOperation.Length)}";

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    [Trait("Category", "Field")]
    public async Task Seven_memory_devices_come_under_pings_and_the_guest_keeps_the_host()
    {
        await using var rig = await VmRig.StartAsync(qemuArguments: ["-m", "slots=8,maxmem=4G"], cancellationToken: Cancelled);
        TaskCompletionSource begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        var pinging = await rig.Machine.StartCommandAsync(
            [
                "sh", "-c",
                $"{GuestShell.Open}; until test -e /tmp/enough; do {GuestShell.Ping(TestOperation.Echo, 42, 1)}; " +
                $"answer=$({GuestShell.ReadEvent}); test \"$answer\" = 42 || exit 1; echo; done",
            ],
            _ => begun.TrySetResult(), cancellationToken: Cancelled);
        await begun.Task.WaitAsync(Cancelled);

        for (var i = 0; i < Room; i++)
        {
            await PlugAsync(rig, i);
            await rig.RunAsync(Smoke);
        }

        // The arena has the last slot, and QEMU says so.
        var refusal = await Assert.ThrowsAsync<VirtualMachineException>(() => PlugAsync(rig, Room));
        Assert.Contains("not enough free memory slots", refusal.Message, StringComparison.Ordinal);
        await rig.RunAsync(Smoke);
        await rig.RunAsync("touch /tmp/enough");
        Assert.Equal(0, (await pinging.WaitAsync(Cancelled)).ExitCode);

        // While no driver runs the arena has none: the seventh takes it, and QEMU does not tell the daemon of the arena any more.
        await rig.RunAsync("rmmod virtio_user");
        await PlugAsync(rig, Room);
        await rig.Machine.LoadDriverAsync(cancellationToken: Cancelled);
        await rig.RunAsync(Smoke);
        Assert.Contains("did not list it in its memory table", rig.Daemon.LogTail, StringComparison.Ordinal);
        await rig.AssertNothingLeftAsync();
        rig.AssertKernelsContent();
    }

    private static async Task PlugAsync(VmRig rig, int number)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"dimm-{number}");
        var memory = name + "-memory";
        await rig.Machine.Qmp.ExecuteAsync(
            "object-add", new JsonObject { ["qom-type"] = "memory-backend-memfd", ["id"] = memory, ["size"] = 128 << 20, ["share"] = true }, Cancelled);
        try
        {
            await rig.Machine.Qmp.ExecuteAsync("device_add", new JsonObject { ["driver"] = "pc-dimm", ["id"] = name, ["memdev"] = memory }, Cancelled);
        }
        catch (VirtualMachineException)
        {
            await rig.Machine.Qmp.ExecuteAsync("object-del", new JsonObject { ["id"] = memory }, Cancelled);
            throw;
        }
    }
}
