// Accepts front-ends and has each served.
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Virtio.Linux;
using VirtioUser.Daemon.Trying;
using VirtioUser.Host;
using VirtioUser.Host.Catalog;
using VirtioUser.Host.Workers;

namespace VirtioUser.Daemon;

/// <summary>
/// Has each front-end served on a thread of its own, at once while there are places. Those that wait get theirs on a thread of this service.
/// </summary>
internal sealed class BackEndService : IHostedService, IDisposable
{
    private readonly Listeners _listeners;
    private readonly DaemonOptions _options;
    private readonly DeviceCatalog _catalog;
    private readonly ILoggerFactory _loggers;
    private readonly IHostApplicationLifetime _lifetime;
    private readonly ILogger _logger;
    private readonly GuestLog _deviceLog;
    private readonly WorkerPool _workers;
    private readonly Dictionary<Listener, VmServices> _services;
    private readonly byte[][] _ownNames;
    private readonly ConnectionTable _connections;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _lastNumber;

    /// <summary>Puts together what connections get.</summary>
    /// <param name="listeners">Where front-ends come from; stay the caller's.</param>
    /// <param name="options">What the daemon was told to do.</param>
    /// <param name="bounds">Bounds of each device model.</param>
    /// <param name="catalog">The devices.</param>
    /// <param name="loggers">Logs.</param>
    /// <param name="lifetime">Told when no front-end can come any more.</param>
    /// <param name="trace">Shows what passes; null if nobody asked for it.</param>
    public BackEndService(
        Listeners listeners, DaemonOptions options, Host.HostOptions bounds, DeviceCatalog catalog, ILoggerFactory loggers,
        IHostApplicationLifetime lifetime, Trace? trace = null)
    {
        (_listeners, _options, _catalog, _loggers, _lifetime) = (listeners, options, catalog, loggers, lifetime);
        _logger = loggers.CreateLogger<BackEndService>();
        var unlimited = options.Program is not null;
        _deviceLog = new GuestLog(_logger, unlimited);
        var kicks = new KickWaiter();
        _workers = new WorkerPool(kicks, _deviceLog.For(loggers.CreateLogger<WorkerPool>()));
        _services = listeners.All.ToDictionary(
            each => each,
            each => new VmServices(options, each.Limits, bounds, catalog, each.Totals, new LogBudgets(loggers, unlimited), loggers, _workers, kicks, trace));
        _ownNames = [.. listeners.All.Where(each => each.Socket.IsListening).Select(each => each.Socket.Name)];
        _connections = new ConnectionTable(options.MaxConnections, options.YieldAfter);
    }

    /// <summary>Whether a socket broke, so that no front-end can come any more. Set before the application stops.</summary>
    public bool Failed { get; private set; }

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        _workers.Start();
        _listeners.Serve = TryServe;
        _listeners.TurnedAway = (listener, reason) => Log.TurnedAway(LogOf(listener), reason);
        _listeners.Exhausted = listener => Log.AcceptFailed(LogOf(listener));
        _catalog.AttachLog(_loggers, _deviceLog.For);
        foreach (var entry in _catalog.Entries)
        {
            Log.DeviceOffered(_logger, entry.Identity, entry.Source);
        }

        // All of them before anybody is served: who waits for these lines can connect to each.
        foreach (var listener in _listeners.All)
        {
            Log.Listening(
                _logger, listener.Address, listener.Name, listener.Limits.ArenaSize,
                $"-device vhost-user-test-device-pci,virtio-id={_options.VirtioId},num_vqs=4,vq_size=128,config_size=64,chardev=ID");
        }

        new Thread(Main) { IsBackground = true, Name = "places" }.Start();
        return Task.CompletedTask;
    }

    /// <summary>Ends the connections and waits for the ends of all instances, those of earlier connections too, as long as the host allows.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        _listeners.Cancel();
        _connections.Stop();
        var ended = WaitForAllAsync().WaitAsync(cancellationToken);
        await ended.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (ended.IsCanceled)
        {
            Log.StoppedTooLate(_logger); // the process ends all the same
        }
    }

    /// <summary>Says what was suppressed in the log. The logs must be there still.</summary>
    public void Dispose()
    {
        _workers.Dispose();
        foreach (var services in _services.Values)
        {
            services.LogBudgets.Dispose();
        }

        _deviceLog.Dispose();
    }

    private async Task WaitForAllAsync()
    {
        await _ended.Task.ConfigureAwait(false);
        await _connections.WhenInstancesEndedAsync().ConfigureAwait(false);
    }

    private void Main()
    {
        try
        {
            // Who waits is left where it is until there is a place: there it is watched.
            while (_listeners.WaitForNext())
            {
                if (!_connections.WaitForPlace(() => _listeners.HasNext))
                {
                    continue;
                }

                if (_listeners.Take() is { } next)
                {
                    Serve(next.Listener, next.Socket);
                }
                else
                {
                    _connections.Release();
                }
            }

            _connections.WaitForEnds();
        }
        catch (LinuxException e)
        {
            Log.SocketFailed(_logger, e.Message);
            Failed = true;
        }
        finally
        {
            _ended.SetResult();
            _lifetime.StopApplication();
        }
    }

    /// <summary>On the thread that accepts.</summary>
    private bool TryServe(Listener listener, UnixSocket socket)
    {
        var free = _connections.TryReserve();
        if (free)
        {
            Serve(listener, socket);
        }

        return free;
    }

    /// <summary>Serves a connection in the place that was reserved for it.</summary>
    private void Serve(Listener listener, UnixSocket socket)
    {
        var identity = SessionIdentity.Of(listener, Interlocked.Increment(ref _lastNumber), socket);
        var services = _services[listener] with { Loggers = new SessionLoggers(_loggers, identity) };
        var connection = new VmConnection(services, socket, _ownNames, _connections);
        if (!_connections.TryAdd(connection))
        {
            socket.Discard();
            return;
        }

        try
        {
            connection.Start();
        }
        catch (OutOfMemoryException)
        {
            Log.TurnedAway(LogOf(listener), "the system has no thread left");
        }
    }

    private ILogger LogOf(Listener listener) => _services[listener].LogBudgets.Listener.For(_logger);
}
