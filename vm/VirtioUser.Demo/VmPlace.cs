// The demo's programs inside a stock VM.
using Spectre.Console;
using VirtioUser.Vm;

namespace VirtioUser.Demo;

/// <summary>Prepares and boots the VM, and loads the driver in it.</summary>
/// <param name="console">Where long steps are shown.</param>
/// <param name="done">Called when something is done, with what it is.</param>
/// <param name="size">The VM's memory and processors.</param>
sealed class VmPlace(IAnsiConsole console, Action<string> done, VirtualMachineOptions size) : IPlace
{
    GuestImage? image;
    VirtualMachine? machine;

    public string Title => "Inside the VM";

    public async Task PrepareAsync(CancellationToken cancellationToken)
    {
        image = await ConsoleProgress.PrepareAsync(console, cancellationToken: cancellationToken);
        done($"{image.Qemu}, a Debian guest with Linux {image.Tree.KernelRelease} and the driver are at hand");
    }

    public async Task StartAsync(DaemonProcess daemon, IReadOnlyList<Share> folders, CancellationToken cancellationToken)
    {
        machine = await VirtualMachine.StartAsync(
            image!,
            size with
            {
                Devices = [new VhostUserDevice(daemon.SocketPath)],
                Shares = folders,
                Progress = (stage, _) => done(stage switch
                {
                    BootStage.Kernel => "QEMU runs",
                    BootStage.UserSpace => "the guest's kernel is up",
                    _ => "the guest takes commands",
                }),
            },
            cancellationToken);
        await machine.LoadDriverAsync(cancellationToken: cancellationToken);
        done("the guest has loaded virtio_user.ko");
    }

    public string FolderOf(Share folder) => folder.GuestFolder;

    public async Task<int> RunAsync(IReadOnlyList<string> command, Action<string> output, Action<string> error, CancellationToken cancellationToken) =>
        (await machine!.RunAsync(command, output, error, cancellationToken)).ExitCode;

    public Task StopAsync() => machine!.StopAsync();

    public ValueTask DisposeAsync() => machine?.DisposeAsync() ?? ValueTask.CompletedTask;
}
