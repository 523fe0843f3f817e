// The demo from preparation to table.
using System.Diagnostics;
using Spectre.Console;
using VirtioUser.Vm;

namespace VirtioUser.Demo;

/// <summary>Runs the demo; every step is shown as it happens, with its time.</summary>
sealed class Demonstration(IAnsiConsole console)
{
    const string ProgramFolderInGuest = "/opt/demo";

    const int TableWidth = 150;

    readonly Stopwatch watch = Stopwatch.StartNew();

    /// <summary>Runs it.</summary>
    /// <param name="files">What to send.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    /// <returns>0 if everything held.</returns>
    /// <exception cref="SetupException">Something is missing or not permitted.</exception>
    /// <exception cref="VirtualMachineException">The VM did not boot, or ended by itself.</exception>
    public async Task<int> RunAsync(IReadOnlyCollection<string> files, CancellationToken cancellationToken)
    {
        using Inputs inputs = Inputs.Copy(files);
        GuestImage image = await ConsoleProgress.PrepareAsync(console, cancellationToken: cancellationToken);
        Done($"{image.Qemu}, a Debian guest with Linux {image.Tree.KernelRelease} and the driver are at hand");

        await using DaemonProcess daemon = await DaemonProcess.StartAsync(
            [BuildOutput.PathOf("VirtioUser.Devices.Gzip", "VirtioUser.Devices.Gzip.dll"), BuildOutput.PathOf("VirtioUser.Devices.Digest", "VirtioUser.Devices.Digest.dll")], cancellationToken: cancellationToken);
        Done("virtio-userd offers its devices");

        await using VirtualMachine machine = await BootAsync(image, daemon, inputs, cancellationToken);
        await machine.LoadDriverAsync(cancellationToken: cancellationToken);
        Done("the guest has loaded virtio_user.ko");

        console.WriteLine();
        console.MarkupLine("[bold]Inside the VM[/]");
        List<GuestStep> steps = [];
        GuestCommandResult result = await machine.RunAsync(
            ["dotnet", $"{ProgramFolderInGuest}/VirtioUser.Demo.Guest.dll", .. inputs.GuestPaths],
            line => Show(line, steps),
            line => console.WriteLine(line),
            cancellationToken);
        console.WriteLine();
        if (result.ExitCode != 0 || steps.Count == 0)
        {
            console.MarkupLineInterpolated($"[red]The guest program failed with exit code {result.ExitCode}.[/] The daemon's log ends with:");
            console.WriteLine(daemon.LogTail);
            return 1;
        }

        console.Profile.Width = Math.Max(console.Profile.Width, TableWidth);
        console.Write(Summary.Of(steps));
        if (!await DaemonCountedTheSameAsync(daemon, steps, cancellationToken))
        {
            return 1;
        }

        await machine.StopAsync();
        int code = await daemon.StopAsync();
        Done($"everything held; virtio-userd ended with {code}");
        return code;
    }

    // The guest's figures are its own; what crossed the queues is also known on the other side.
    async Task<bool> DaemonCountedTheSameAsync(DaemonProcess daemon, IEnumerable<GuestStep> steps, CancellationToken cancellationToken)
    {
        long pings = await daemon.ReadMetricAsync("virtio_user_pings_total", cancellationToken);
        long events = await daemon.ReadMetricAsync("virtio_user_events_total", cancellationToken);
        long bytes = await daemon.ReadMetricAsync("virtio_user_pings_bytes_total", cancellationToken);
        long expected = steps.Where(step => step.Device is not null).Sum(step => (long)step.RoundTrips);
        if (pings != expected || events != expected)
        {
            console.MarkupLineInterpolated(
                $"[red]The guest says that it sent {expected} pings and got as many answers; virtio-userd counted {pings} pings and {events} events.[/]");
            return false;
        }

        Done($"virtio-userd counted the same {pings} pings and {events} answers; the pings named {bytes:N0} bytes of shared memory");
        return true;
    }

    Task<VirtualMachine> BootAsync(GuestImage image, DaemonProcess daemon, Inputs inputs, CancellationToken cancellationToken) =>
        VirtualMachine.StartAsync(
            image,
            new VirtualMachineOptions
            {
                Devices = [new VhostUserDevice(daemon.SocketPath)],
                Shares = [inputs.Share, new Share(BuildOutput.FolderOf("VirtioUser.Demo.Guest"), ProgramFolderInGuest)],
                Progress = (stage, _) => Done(stage switch
                {
                    BootStage.Kernel => "QEMU runs",
                    BootStage.UserSpace => "the guest's kernel is up",
                    _ => "the guest takes commands",
                }),
            },
            cancellationToken);

    void Show(string line, List<GuestStep> steps)
    {
        if (GuestStep.Parse(line) is { } step)
        {
            steps.Add(step);
        }
        else
        {
            console.WriteLine(line);
        }
    }

    void Done(string what) => console.MarkupLineInterpolated($"[grey]{ConsoleProgress.Seconds(watch.Elapsed),7}[/]  {what}");
}
