// Accepts front-ends and serves one after the other.
using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Virtio.Linux;
using VirtioUser.Host;

namespace VirtioUser.Daemon;

/// <summary>The thread that serves connections; each is served on a thread of its own, one at a time.</summary>
internal sealed class BackEndService(
    ServerSocket socket, VmServices services, HostMetrics metrics, IHostApplicationLifetime lifetime, ILogger<BackEndService> logger)
    : IHostedService
{
    private const int MaximumLeftBehind = 16;

    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private readonly ILogger _listenerLog = services.LogBudgets.Listener.For(logger);

    // Those of which something is left; all but one are over.
    private readonly ConcurrentDictionary<VmConnection, bool> _connections = new();

    private VmConnection? _current;
    private bool _stopping;

    /// <summary>Whether the socket broke, so that no front-end can come any more. Set before the application stops.</summary>
    public bool Failed { get; private set; }

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        socket.TurnedAway = reason => Log.TurnedAway(_listenerLog, reason);
        socket.Exhausted = () => Log.AcceptFailed(_listenerLog);
        _ = metrics; // made here, so that the instruments are there from the start
        services.Catalog.AttachLog(services.Loggers, services.LogBudgets.Listener.For);
        foreach (var entry in services.Catalog.Entries)
        {
            Log.DeviceOffered(logger, entry.Identity, entry.Source);
        }

        var options = services.Options;
        Log.Listening(
            logger, socket.Name, options.ArenaSize,
            $"-device vhost-user-test-device-pci,virtio-id={options.VirtioId},num_vqs=4,vq_size=128,config_size=64,chardev=ID");
        new Thread(Main) { IsBackground = true, Name = "turns" }.Start();
        return Task.CompletedTask;
    }

    /// <summary>Ends the connection and waits for the ends of all instances, those of earlier connections too, as long as the host allows.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _stopping = true;
            _current?.Stop();
        }

        socket.Cancel();
        var ended = WaitForAllAsync().WaitAsync(cancellationToken);
        await ended.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (ended.IsCanceled)
        {
            Log.StoppedTooLate(logger); // the process ends all the same
        }
    }

    private async Task WaitForAllAsync()
    {
        await _ended.Task.ConfigureAwait(false);
        await Task.WhenAll(_connections.Keys.Select(connection => connection.InstancesEnded)).ConfigureAwait(false);
    }

    private void Main()
    {
        try
        {
            // Who waits is left where it is until it is its turn: there it is watched.
            while (socket.WaitForNext())
            {
                if (_current?.WaitForTurn(services.Options.YieldAfter, MayLeave(), () => socket.HasNext) == false)
                {
                    continue;
                }

                if (socket.Accept() is { } accepted)
                {
                    Serve(accepted);
                }
            }

            _current?.WaitForEnd();
        }
        catch (LinuxException e)
        {
            Log.SocketFailed(logger, e.Message);
            Failed = true;
        }
        finally
        {
            _ended.SetResult();
            lifetime.StopApplication();
        }
    }

    private void Serve(UnixSocket accepted)
    {
        var connection = new VmConnection(services, accepted, NoteGone);
        lock (_lock)
        {
            if (_stopping)
            {
                accepted.Dispose();
                return;
            }

            _current = connection;
            _connections[connection] = true;
        }

        try
        {
            connection.Start();
        }
        catch (OutOfMemoryException)
        {
            Log.TurnedAway(_listenerLog, "the system has no thread left");
        }
    }

    /// <summary>Each connection that is left behind keeps a thread, what it has sent and its arena.</summary>
    private bool MayLeave() => _connections.Count(one => !one.Key.IsOver) <= MaximumLeftBehind;

    private void NoteGone(VmConnection connection) => _connections.TryRemove(connection, out _);
}
