using System.Globalization;

namespace VirtioUser.Vm;

/// <summary>
/// A vsock for one VM, over vhost-user, in a process of its own that ends with this process. A guest that connects to port N
/// of the host reaches the program that listens on the Unix socket <see cref="HostSocket"/>.
/// </summary>
/// <remarks>All members may be used from any thread.</remarks>
public sealed class VsockDevice : IAsyncDisposable
{
    /// <summary>The bytes that may be on their way to the host. A guest should give its sockets as much: with less it waits for each of them.</summary>
    public const int BufferBytes = 1 << 20;

    private const int GuestCid = 3; // 0 to 2 are not for guests
    private const string Control = "control", Host = "v";

    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(30);

    private readonly SocketFolder _sockets = new();
    private readonly Tail _lines = new(20);
    private ChildProcess? _process;

    private VsockDevice()
    {
    }

    /// <summary>Its process ID.</summary>
    public int Id => _process!.Id;

    /// <summary>What it has said last.</summary>
    public string LogTail => _lines.ToString();

    /// <summary>What QEMU needs to be told, for <see cref="VirtualMachineOptions.QemuArguments"/>.</summary>
    public IReadOnlyList<string> QemuArguments =>
    [
        "-chardev", $"socket,id=vsock,path={_sockets.PathOf(Control)}", "-device", "vhost-user-vsock-pci,chardev=vsock,vectors=4",
    ];

    /// <summary>Where a program must listen, before the guest connects, to be reached by a port of the host.</summary>
    /// <param name="port">The port's number.</param>
    public string HostSocket(uint port) => _sockets.PathOf(string.Create(CultureInfo.InvariantCulture, $"{Host}_{port}"));

    /// <summary>Starts it and returns when QEMU can connect.</summary>
    /// <param name="tree">Where the program is.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="SetupException">It did not start; the message says why.</exception>
    public static async Task<VsockDevice> StartAsync(VsockDeviceTree tree, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(tree);
        VsockDevice device = new();
        try
        {
            device._process = await ChildProcess.StartAsync(
                tree.Program,
                [
                    .. tree.FirstArguments, $"--guest-cid={GuestCid}", $"--socket={device._sockets.PathOf(Control)}",
                    $"--uds-path={device._sockets.PathOf(Host)}", $"--tx-buffer-size={BufferBytes}",
                ],
                new ChildProcess.Options { Output = device._lines.Add, Error = device._lines.Add }).ConfigureAwait(false);
            await device.WaitUntilItListensAsync(cancellationToken).ConfigureAwait(false);
            return device;
        }
        catch
        {
            await device.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            await _process.DisposeAsync().ConfigureAwait(false);
        }

        _sockets.Dispose();
    }

    // It says nothing when it listens, and a connection to try would be taken for QEMU's: the kernel's list of sockets is asked.
    private async Task WaitUntilItListensAsync(CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(StartLimit);
        try
        {
            while (!IsListening(_sockets.PathOf(Control)))
            {
                if (_process!.Exited.IsCompleted)
                {
                    throw new SetupException($"vhost-device-vsock did not start: {LogTail}");
                }

                await Task.Delay(TimeSpan.FromMilliseconds(10), limit.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new SetupException($"vhost-device-vsock did not listen within {StartLimit.TotalSeconds} s: {LogTail}");
        }
    }

    private static bool IsListening(string path)
    {
        const int flags = 3, name = 7;
        const string accepting = "00010000"; // __SO_ACCEPTCON
        return File.ReadLines("/proc/net/unix").Select(line => line.Split(' ', name + 1, StringSplitOptions.RemoveEmptyEntries))
            .Any(fields => fields.Length > name && fields[name] == path && fields[flags] == accepting);
    }
}
