// The vsock's side of the host.
using VirtioUser.Benchmarks.Processes;
using VirtioUser.Vm;

namespace VirtioUser.Benchmarks.Peers;

/// <summary>A vsock device for a VM, and the program that serves one of its ports.</summary>
internal sealed class VsockPeer : IAsyncDisposable
{
    /// <summary>The port that is served.</summary>
    public const uint Port = 5000;

    private readonly VsockDevice _device;
    private readonly ServerProcess _server;

    private VsockPeer(VsockDevice device, ServerProcess server)
    {
        _device = device;
        _server = server;
    }

    /// <summary>What QEMU needs to be told.</summary>
    public IReadOnlyList<string> QemuArguments => _device.QemuArguments;

    /// <summary>The processes that work for it.</summary>
    public IReadOnlyList<int> Processes => [_device.Id, _server.Id];

    /// <summary>Starts both; unpacks the device first if need be.</summary>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="SetupException">It is not to be had; the message says why.</exception>
    public static async Task<VsockPeer> StartAsync(CancellationToken cancellationToken)
    {
        var device = await VsockDevice.StartAsync(await VsockDeviceTree.PrepareAsync(cancellationToken: cancellationToken), cancellationToken);
        try
        {
            return new VsockPeer(device, await ServerProcess.StartPeerAsync(PeerKind.Socket, device.HostSocket(Port)));
        }
        catch
        {
            await device.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _device.DisposeAsync();
    }
}
