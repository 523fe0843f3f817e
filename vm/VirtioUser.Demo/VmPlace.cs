// The demo's programs inside a stock VM.
using Spectre.Console;
using VirtioUser.Vm;

namespace VirtioUser.Demo;

/// <summary>Prepares and boots the VM, and loads the driver in it.</summary>
/// <param name="console">Where long steps are shown.</param>
/// <param name="done">Called when something is done, with what it is.</param>
/// <param name="size">The VM's memory and processors.</param>
internal sealed class VmPlace(IAnsiConsole console, Action<string> done, VirtualMachineOptions size) : IPlace
{
    private GuestImage? _image;
    private VirtualMachine? _machine;

    public string Title => "Inside the VM";

    public async Task PrepareAsync(CancellationToken cancellationToken)
    {
        _image = await ConsoleProgress.PrepareAsync(console, cancellationToken: cancellationToken);
        done($"{_image.Qemu}, a Debian guest with Linux {_image.Tree.KernelRelease} and the driver are at hand");
    }

    public async Task StartAsync(DaemonProcess daemon, IReadOnlyList<Share> folders, CancellationToken cancellationToken)
    {
        _machine = await VirtualMachine.StartAsync(
            _image!,
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
        await _machine.LoadDriverAsync(cancellationToken: cancellationToken);
        done("the guest has loaded virtio_user.ko");
    }

    public string FolderOf(Share folder) => folder.GuestFolder;

    public async Task<int> RunAsync(IReadOnlyList<string> command, Action<string> output, Action<string> error, CancellationToken cancellationToken) =>
        (await _machine!.RunAsync(command, output, error, cancellationToken)).ExitCode;

    public Task StopAsync() => _machine!.StopAsync();

    public ValueTask DisposeAsync() => _machine?.DisposeAsync() ?? ValueTask.CompletedTask;
}
