// A daemon with the test devices, and a stock VM with the driver.
using NativeDevice;
using Xunit.Sdk;

namespace VirtioUser.Vm.Tests;

/// <summary>What a test of the whole needs; made in about ten seconds.</summary>
public sealed class VmRig : IAsyncDisposable
{
    /// <summary>Where the guest finds the test program.</summary>
    public const string TestsInGuest = "/opt/tests";

    private readonly List<VirtualMachine> _machines = [];

    private readonly IReadOnlyList<Share> _shares;

    private VmRig(DaemonProcess daemon, IReadOnlyList<Share> shares)
    {
        Daemon = daemon;
        this._shares = shares;
    }

    /// <summary>The daemon.</summary>
    public DaemonProcess Daemon { get; }

    /// <summary>The VM that was booted last.</summary>
    public VirtualMachine Machine => _machines[^1];

    /// <summary>Starts a daemon with the devices that the tests use, boots a VM and loads the driver.</summary>
    public static async Task<VmRig> StartAsync(
        IEnumerable<string>? daemonArguments = null, int queueSize = 128, int processors = 2, IReadOnlyList<string>? qemuArguments = null,
        CancellationToken cancellationToken = default) =>
        await StartAsync(
            [
                BuildOutput.PathOf("TestDevice", "TestDevice.dll"),
                BuildOutput.PathOf("TestDevice.Second", "TestDevice.Second.dll"),
                BuildOutput.PathOf("VirtioUser.Devices.Gzip", "VirtioUser.Devices.Gzip.dll"),
                BuildOutput.PathOf("VirtioUser.Devices.Digest", "VirtioUser.Devices.Digest.dll"),
                .. await NativeDevices.GetForGuestAsync(),
            ],
            [new Share(BuildOutput.FolderOf("VirtioUser.Guest.Tests"), TestsInGuest)],
            daemonArguments, queueSize, processors, qemuArguments, cancellationToken);

    /// <summary>Starts a daemon with some devices, boots a VM that sees some folders, and loads the driver.</summary>
    public static async Task<VmRig> StartAsync(
        IEnumerable<string> devices, IReadOnlyList<Share> shares, IEnumerable<string>? daemonArguments = null, int queueSize = 128,
        int processors = 2, IReadOnlyList<string>? qemuArguments = null, CancellationToken cancellationToken = default)
    {
        VmRig rig = new(await DaemonProcess.StartAsync(devices, daemonArguments, cancellationToken: cancellationToken), shares);
        try
        {
            await rig.BootAsync(queueSize, processors, qemuArguments, cancellationToken);
            return rig;
        }
        catch
        {
            await rig.DisposeAsync();
            throw;
        }
    }

    /// <summary>Boots a VM and loads the driver; the one before must have ended.</summary>
    public async Task BootAsync(
        int queueSize = 128, int processors = 2, IReadOnlyList<string>? qemuArguments = null, CancellationToken cancellationToken = default)
    {
        var image = await GuestImage.PrepareAsync(cancellationToken: cancellationToken);
        _machines.Add(await VirtualMachine.StartAsync(
            image,
            new VirtualMachineOptions
            {
                Processors = processors,
                MayReboot = true,
                Devices = [new VhostUserDevice(Daemon.SocketPath) { QueueSize = queueSize }],
                Shares = _shares,
                QemuArguments = qemuArguments ?? [],
            },
            cancellationToken));
        await Machine.LoadDriverAsync(cancellationToken: cancellationToken);
    }

    /// <summary>Runs a script in the guest; anything but exit code 0 fails the test with what it printed.</summary>
    /// <returns>Its standard output.</returns>
    public async Task<string> RunAsync(string script)
    {
        var result = await Machine.RunAsync(script, cancellationToken: TestContext.Current.CancellationToken);
        return result.ExitCode == 0
            ? result.Output
            : throw new XunitException($"{script}\nended with {result.ExitCode}:\n{result.Output}{result.Error}\nThe console ends with:\n{Machine.ConsoleTail}");
    }

    /// <summary>
    /// Checks that nothing of a guest is left in the daemon: no instance, no object, no byte. The driver destroys an
    /// instance after the program's close has returned, so what is left may still be going: it gets a while.
    /// </summary>
    public async Task AssertNothingLeftAsync()
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(TimeSpan.FromSeconds(20));
        foreach (var level in new[] { "virtio_user_instances", "virtio_user_objects", "virtio_user_memory_bytes" })
        {
            long left;
            do
            {
                left = await Daemon.ReadMetricAsync(level, TestContext.Current.CancellationToken);
            }
            while (left != 0 && !patience.IsCancellationRequested);
            Assert.Equal((level, 0), (level, left));
        }
    }

    /// <summary>Checks that no guest kernel complained: no warning, no oops, no hung task.</summary>
    public void AssertKernelsContent() => Assert.Empty(_machines.SelectMany(machine => machine.KernelComplaints));

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var machine in _machines)
        {
            await machine.DisposeAsync();
        }

        await Daemon.DisposeAsync();
    }
}
