namespace VirtioUser.Vm;

/// <summary>
/// A qemu-storage-daemon that offers one disk image as a virtio block device, over vhost-user; ends with this process.
/// </summary>
/// <remarks>All members may be used from any thread.</remarks>
public sealed class StorageDaemon : IAsyncDisposable
{
    /// <summary>The name under which <see cref="Qmp"/> knows the disk.</summary>
    public const string NodeName = "disk";

    private readonly SocketFolder _sockets = new();
    private readonly Tail _lines = new(20);
    private ChildProcess? _process;
    private QmpClient? _qmp;

    /// <summary>What it has said last.</summary>
    public string LogTail => _lines.ToString();

    /// <summary>Its management interface.</summary>
    public QmpClient Qmp => _qmp ?? throw new InvalidOperationException("The storage daemon has not been started.");

    /// <summary>Starts it and returns when front-ends can connect.</summary>
    /// <param name="tree">Where the program is.</param>
    /// <param name="imagePath">The disk image, raw.</param>
    /// <param name="socketPath">Where it is to listen for front-ends; what a daemon that died left there is replaced.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="SetupException">It did not start; the message says why.</exception>
    public static async Task<StorageDaemon> StartAsync(
        StorageDaemonTree tree, string imagePath, string socketPath, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(tree);
        StorageDaemon daemon = new();
        try
        {
            daemon._sockets.Listen("qmp");
            daemon._process = await ChildProcess.StartAsync(
                tree.Program,
                [
                    .. tree.FirstArguments,
                    "--blockdev", $"driver=file,node-name={NodeName},filename={Quoted(imagePath)}",
                    "--export", $"type=vhost-user-blk,id=export,node-name={NodeName},writable=on,addr.type=unix,addr.path={Quoted(socketPath)}",

                    // Carried out in this order: when it connects here, it listens there.
                    "--chardev", $"socket,id=qmp,path={Quoted(daemon._sockets.PathOf("qmp"))}",
                    "--monitor", "chardev=qmp",
                ],
                new ChildProcess.Options { Environment = tree.Environment, Output = daemon._lines.Add, Error = daemon._lines.Add }).ConfigureAwait(false);
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var connected = daemon.ConnectAsync(limit.Token);
            await Task.WhenAny(connected, daemon._process.Exited).WaitAsync(cancellationToken).ConfigureAwait(false);
            if (!connected.IsCompleted)
            {
                await limit.CancelAsync().ConfigureAwait(false);
                throw new SetupException($"qemu-storage-daemon did not start: {daemon.LogTail}");
            }

            daemon._qmp = await connected.ConfigureAwait(false);
            return daemon;
        }
        catch
        {
            await daemon.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Sends it a signal, by its name without SIG.</summary>
    public Task SignalAsync(string signal) => _process!.SignalAsync(signal);

    /// <summary>Ends it as a crash would, also while it is stopped, and returns when it is gone.</summary>
    public async Task KillAsync()
    {
        await SignalAsync("KILL").ConfigureAwait(false);
        await _process!.Exited.ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            await _process.DisposeAsync().ConfigureAwait(false);
        }

        _qmp?.Dispose();
        _sockets.Dispose();
    }

    private async Task<QmpClient> ConnectAsync(CancellationToken cancellationToken) =>
        await QmpClient.StartAsync(await _sockets.AcceptAsync("qmp", cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);

    // In QEMU's option lists a comma is written twice.
    private static string Quoted(string value) => value.Replace(",", ",,", StringComparison.Ordinal);
}
