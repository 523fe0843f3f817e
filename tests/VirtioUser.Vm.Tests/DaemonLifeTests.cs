// The daemon stays while guests reboot, stand still, crash and come back.
using TestDevice.Dependency;

namespace VirtioUser.Vm.Tests;

public sealed class DaemonLifeTests : VmTest
{
    // Says so when it holds an instance, and then holds it until the guest ends.
    private static readonly string HoldForEver =
        $"{GuestShell.Open}; {GuestShell.Ping(TestOperation.Echo, 9, 1)}; {GuestShell.ReadEvent}; exec sleep 1000000";

    private static readonly string Echo = $"{GuestShell.Open}; {GuestShell.Ping(TestOperation.Echo, 11, 1)}; {GuestShell.ReadEvent}";

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_guest_that_reboots_finds_the_same_daemon_and_nothing_of_its_former_self(bool byReset)
    {
        await HoldAsync();
        Assert.Equal(1, await Rig.Daemon.ReadMetricAsync("virtio_user_instances", Cancelled));
        await Rig.Machine.RebootAsync(byReset, Cancelled);
        await Rig.Machine.LoadDriverAsync(cancellationToken: Cancelled);
        await Rig.AssertNothingLeftAsync();
        Assert.Equal("11", (await Rig.RunAsync(Echo)).Trim());
        Rig.AssertKernelsContent();
    }

    [Fact]
    public async Task A_VM_that_is_stopped_and_goes_on_loses_nothing()
    {
        // Many round trips in the guest, while the VM stands still again and again.
        var traffic = Rig.RunAsync(
            $"{GuestShell.Open}; i=0; while [ $i -lt 300 ]; do {GuestShell.Ping(TestOperation.Count, 0, 1)}; " +
            $"[ $({GuestShell.ReadEvent}) -eq $((i+1)) ] || exit 1; i=$((i+1)); done; echo $i");
        var stops = 0;
        while (!traffic.IsCompleted)
        {
            await Rig.Machine.Qmp.ExecuteAsync("stop", cancellationToken: Cancelled);
            await Rig.Machine.Qmp.ExecuteAsync("cont", cancellationToken: Cancelled);
            stops++;
            await Rig.RunAsync("true"); // the guest has run again in between
        }

        Assert.Equal("300", (await traffic).Trim());
        Assert.True(stops > 1, $"The VM was stopped {stops} times only.");
        await Rig.AssertNothingLeftAsync();
        Rig.AssertKernelsContent();
    }

    [Fact]
    public async Task After_a_VM_whose_plug_was_pulled_the_next_one_is_served()
    {
        await HoldAsync();
        await Rig.Machine.StopAsync();
        await Rig.BootAsync(cancellationToken: Cancelled);
        await Rig.AssertNothingLeftAsync();
        Assert.Equal("11", (await Rig.RunAsync(Echo)).Trim());
        Assert.Equal(2, await Rig.Daemon.ReadMetricAsync("virtio_user_connections_total", Cancelled));
        Rig.AssertKernelsContent();
    }

    [Fact]
    public async Task A_program_that_is_killed_leaves_nothing_behind()
    {
        var holder = await HoldAsync();
        await holder.SignalAsync("KILL");
        Assert.NotEqual(0, (await holder.WaitAsync(Cancelled)).ExitCode);

        // The driver destroys the instance behind the program's back: a later open and close is behind that.
        await Rig.RunAsync(Echo);
        await Rig.RunAsync("rmmod virtio_user");
        await Rig.AssertNothingLeftAsync();
        Rig.AssertKernelsContent();
    }

    private async Task<GuestCommand> HoldAsync()
    {
        TaskCompletionSource ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
        var holder = await Rig.Machine.StartCommandAsync(["sh", "-c", HoldForEver], _ => ready.TrySetResult(), cancellationToken: Cancelled);
        await ready.Task.WaitAsync(Cancelled);
        return holder;
    }
}
