// One daemon for all tests of a class; each test is a VM of its own.
using System.Net;
using System.Net.Sockets;

namespace VirtioUser.Daemon.Tests.Support;

/// <summary>A daemon with all devices, that must still be well at the end.</summary>
public class DaemonFixture : IAsyncLifetime
{
    private readonly SocketFolder _folder = new();
    private DaemonProcess? _daemon;
    private Metrics? _metrics;

    /// <summary>Options beside the devices.</summary>
    protected virtual string[] Options => [];

    internal DaemonProcess Daemon => _daemon!;

    internal Metrics Metrics => _metrics!;

    internal string SocketPath => _folder.SocketPath;

    public async ValueTask InitializeAsync()
    {
        var port = FreePort();
        _daemon = await DaemonProcess.ListenAsync(
            SocketPath,
            ["--device", BuildOutput.TestDevice, "--device", BuildOutput.SecondDevice, "--device", BuildOutput.Digest, "--device", BuildOutput.Gzip,
            "--enumeration-space-id", "77", "--metrics-port", $"{port}", .. Options]);
        _metrics = new Metrics(port);
    }

    internal TestVm Connect(VmOptions? options = null) => TestVm.Connect(SocketPath, options);

    /// <summary>A VM whose driver has started the device.</summary>
    internal TestDriver Boot(VmOptions? options = null) => TestDriver.Boot(SocketPath, options);

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);

        // No test may leave anything behind, whatever it did to the daemon.
        await Metrics.WaitForAsync("virtio_user_instances", 0);
        await Metrics.WaitForAsync("virtio_user_objects", 0);
        await Metrics.WaitForAsync("virtio_user_memory_bytes", 0);
        await Daemon.AssertStopsAsync();
        Assert.DoesNotContain(Daemon.ErrorLines, line => line.Contains("fault of the daemon", StringComparison.Ordinal));
        Metrics.Dispose();
        _folder.Dispose();
    }

    internal static int FreePort()
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)probe.LocalEndPoint!).Port;
    }
}

/// <summary>The same with one place, so that a second front-end waits until the first has ended or yields.</summary>
public sealed class OnePlaceFixture : DaemonFixture
{
    /// <inheritdoc/>
    protected override string[] Options => ["--max-connections", "1"];
}
