// Serves one front-end after the other.
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Virtio.Linux;
using Virtio.VhostUser;
using VirtioUser.Host;
using VirtioUser.Host.Catalog;

namespace VirtioUser.Daemon;

/// <summary>The thread that accepts connections and serves them; a fault in one ends that one.</summary>
internal sealed class BackEndService(
    ServerSocket socket, UserBackEnd device, DeviceModel model, ConfigQueues config, DeviceCatalog catalog, DaemonOptions options,
    HostMetrics metrics, IHostApplicationLifetime lifetime, ILogger<BackEndService> logger) : IHostedService, IDisposable
{
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private readonly GuestLog _guestLog = new(logger);
    private BackEnd? _current;
    private bool _stopping;

    /// <summary>Whether the socket broke, so that no front-end can come any more. Set before the application stops.</summary>
    public bool Failed { get; private set; }

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        socket.TurnedAway = reason =>
        {
            if (_guestLog.Allows(out var log))
            {
                Log.TurnedAway(log, reason);
            }
        };
        _ = metrics; // made here, so that the instruments are there from the start
        model.Start();
        config.Start();
        foreach (var entry in catalog.Entries)
        {
            Log.DeviceOffered(logger, entry.Identity, entry.Source);
        }

        Log.Listening(
            logger, socket.Name, options.ArenaSize,
            $"-device vhost-user-test-device-pci,virtio-id={options.VirtioId},num_vqs=4,vq_size=128,config_size=64,chardev=ID");
        new Thread(Main) { IsBackground = true, Name = "vhost-user" }.Start();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _stopping = true;
            _current?.Stop();
        }

        socket.Cancel();
        var ended = _ended.Task.WaitAsync(cancellationToken);
        await ended.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (ended.IsCanceled)
        {
            Log.StoppedTooLate(logger); // the process ends all the same
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _guestLog.Dispose();

    private void Main()
    {
        try
        {
            while (socket.Accept() is { } connection)
            {
                Serve(connection);
            }
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

    private void Serve(UnixSocket connection)
    {
        using var backEnd = new BackEnd(connection, device);
        lock (_lock)
        {
            if (_stopping)
            {
                return;
            }

            _current = backEnd;
        }

        model.Counters.Add(Counter.Connections);
        if (_guestLog.Allows(out var log))
        {
            Log.Connected(log);
        }

        try
        {
            backEnd.Run();
            if (_guestLog.Allows(out log))
            {
                Log.Disconnected(log);
            }
        }
        catch (Exception e) when (e is VhostUserException or LinuxException)
        {
            if (_guestLog.Allows(out log))
            {
                Log.ConnectionFailed(log, e.Message);
            }
        }
#pragma warning disable CA1031 // whatever it is, it ends this connection and not the ones after it
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.ConnectionBroke(logger, e);
        }
        finally
        {
            lock (_lock)
            {
                _current = null;
            }
        }
    }
}
