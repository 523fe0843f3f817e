// The demo's program inside a stock VM.
using Spectre.Console;
using VirtioUser.Vm;

namespace VirtioUser.Demo;

/// <summary>Prepares and boots the VM, and loads the driver in it.</summary>
/// <param name="console">Where long steps are shown.</param>
/// <param name="done">Called when something is done, with what it is.</param>
sealed class VmPlace(IAnsiConsole console, Action<string> done) : IPlace
{
    const string ProgramFolderInGuest = "/opt/demo";

    GuestImage? image;
    VirtualMachine? machine;

    public string Title => "Inside the VM";

    public async Task PrepareAsync(CancellationToken cancellationToken)
    {
        image = await ConsoleProgress.PrepareAsync(console, cancellationToken: cancellationToken);
        done($"{image.Qemu}, a Debian guest with Linux {image.Tree.KernelRelease} and the driver are at hand");
    }

    public async Task StartAsync(DaemonProcess daemon, Inputs inputs, CancellationToken cancellationToken)
    {
        machine = await VirtualMachine.StartAsync(
            image!,
            new VirtualMachineOptions
            {
                Devices = [new VhostUserDevice(daemon.SocketPath)],
                Shares = [inputs.Share, new Share(BuildOutput.FolderOf("VirtioUser.Demo.Guest"), ProgramFolderInGuest)],
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

    public async Task<int> RunAsync(Inputs inputs, Action<string> output, Action<string> error, CancellationToken cancellationToken)
    {
        GuestCommandResult result = await machine!.RunAsync(
            ["dotnet", $"{ProgramFolderInGuest}/VirtioUser.Demo.Guest.dll", .. inputs.GuestPaths], output, error, cancellationToken);
        return result.ExitCode;
    }

    public Task StopAsync() => machine!.StopAsync();

    public ValueTask DisposeAsync() => machine?.DisposeAsync() ?? ValueTask.CompletedTask;
}
