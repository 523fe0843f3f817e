// The demo from preparation to table.
using System.Diagnostics;
using Spectre.Console;
using VirtioUser.Vm;

namespace VirtioUser.Demo;

/// <summary>Runs the demo; every step is shown as it happens, with its time.</summary>
internal sealed class Demonstration(IAnsiConsole console)
{
    private const int TableWidth = 150;

    private readonly Stopwatch _watch = Stopwatch.StartNew();

    /// <summary>Runs it.</summary>
    /// <param name="files">What to send.</param>
    /// <param name="withoutVm">Whether the program runs on this machine instead of inside a VM.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    /// <returns>0 if everything held.</returns>
    /// <exception cref="SetupException">Something is missing or not permitted.</exception>
    /// <exception cref="VirtualMachineException">The VM did not boot, or ended by itself.</exception>
    public async Task<int> RunAsync(IReadOnlyCollection<string> files, bool withoutVm, CancellationToken cancellationToken)
    {
        using var inputs = await Inputs.CopyAsync(files.Count > 0 ? files : Inputs.Defaults, cancellationToken);
        Share program = new(BuildOutput.FolderOf("VirtioUser.Demo.Guest"), "/opt/demo");
        IPlace place = withoutVm ? new HostPlace() : new VmPlace(console, Done, new VirtualMachineOptions());
        await place.PrepareAsync(cancellationToken);
        await using var daemon = await DaemonProcess.StartAsync(
            [BuildOutput.PathOf("VirtioUser.Devices.Gzip", "VirtioUser.Devices.Gzip.dll"), BuildOutput.PathOf("VirtioUser.Devices.Digest", "VirtioUser.Devices.Digest.dll")], cancellationToken: cancellationToken);
        Done("virtio-userd offers its devices");
        await using var started = place; // ends before the daemon does
        await place.StartAsync(daemon, [program, inputs.Folder], cancellationToken);

        console.WriteLine();
        console.MarkupLineInterpolated($"[bold]{place.Title}[/]");
        List<GuestStep> steps = [];
        var code = await place.RunAsync(
            ["dotnet", $"{place.FolderOf(program)}/VirtioUser.Demo.Guest.dll", .. inputs.Names.Select(name => Path.Combine(place.FolderOf(inputs.Folder), name))],
            line => Show(line, steps), console.WriteLine, cancellationToken);
        console.WriteLine();
        if (code != 0 || steps.Count == 0)
        {
            console.MarkupLineInterpolated($"[red]The program failed with exit code {code}.[/] The daemon's log ends with:");
            console.WriteLine(daemon.LogTail);
            return 1;
        }

        console.Profile.Width = Math.Max(console.Profile.Width, TableWidth);
        console.Write(Summary.Of(steps));
        if (!await DaemonCountedTheSameAsync(daemon, steps, cancellationToken))
        {
            return 1;
        }

        await place.StopAsync();
        code = await daemon.StopAsync();
        Done($"everything held; virtio-userd ended with {code}");
        return code;
    }

    // The program's figures are its own; what crossed the queues is also known on the other side.
    private async Task<bool> DaemonCountedTheSameAsync(DaemonProcess daemon, IEnumerable<GuestStep> steps, CancellationToken cancellationToken)
    {
        long pings, events, bytes;
        try
        {
            pings = await daemon.ReadMetricAsync("virtio_user_pings_total", cancellationToken);
            events = await daemon.ReadMetricAsync("virtio_user_events_total", cancellationToken);
            bytes = await daemon.ReadMetricAsync("virtio_user_pings_bytes_total", cancellationToken);
        }
        catch (HttpRequestException e)
        {
            // What the demo shows does not depend on a network.
            Done($"virtio-userd's own counts are not compared, as its metrics cannot be read: {e.Message}");
            return true;
        }

        var expected = steps.Where(step => step.Device is not null).Sum(step => (long)step.RoundTrips);
        if (pings != expected || events != expected)
        {
            console.MarkupLineInterpolated(
                $"[red]The program says that it sent {expected} pings and got as many answers; virtio-userd counted {pings} pings and {events} events.[/]");
            return false;
        }

        Done($"virtio-userd counted the same {pings} pings and {events} answers; the pings named {bytes:N0} bytes of shared memory");
        return true;
    }

    private void Show(string line, List<GuestStep> steps)
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

    private void Done(string what) => console.MarkupLineInterpolated($"[grey]{ConsoleProgress.Seconds(_watch.Elapsed),7}[/]  {what}");
}
