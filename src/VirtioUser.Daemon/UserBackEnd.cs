// The virtio-user device as the vhost-user library sees it.
using Microsoft.Extensions.Logging;
using Virtio.VhostUser;
using VirtioUser.Daemon.Trying;
using VirtioUser.Host;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon;

/// <summary>
/// Joins a vhost-user connection and the device model: which queue goes where, when, and what the guest sees.
/// One object serves all connections, one after the other.
/// </summary>
internal sealed class UserBackEnd : BackEndDevice, IDisposable
{
    // The configuration space is longer than what has a meaning, so that any size the front-end was told fits.
    private const int ConfigurationSpace = 256;

    private readonly DeviceModel _model;
    private readonly ConfigQueues _config;
    private readonly ArenaView _arenaView;
    private readonly QueueWaiter _waiter;
    private readonly QueueFaults _faults;
    private readonly TransportState _state;
    private readonly ILogger _logger;
    private readonly GuestLog _guestLog;
    private readonly Trace? _trace;
    private readonly SharedMemoryRegion?[] _regions;
    private readonly uint _enumerationSpaceId;
    private readonly StartedQueue?[] _queues = new StartedQueue?[Limits.QueueCount];

    // Complete when nothing is left of all drivers before the present one.
    private Task _ended = Task.CompletedTask;

    // Queues that a new driver has set up and that have not started since: their entries of old mean nothing any more.
    private readonly bool[] _setUpAnew = new bool[Limits.QueueCount];

    public UserBackEnd(
        DeviceModel model, ConfigQueues config, ArenaView arenaView, QueueWaiter waiter, QueueFaults faults, SharedMapping arena,
        TransportState state, DaemonOptions options, ILogger<UserBackEnd> logger, Trace? trace = null)
    {
        (_model, _config, _arenaView, _waiter, _faults, _state, _logger) = (model, config, arenaView, waiter, faults, state, logger);
        _guestLog = new GuestLog(logger);
        _trace = trace;
        _regions = [new SharedMemoryRegion(arena.Descriptor, arena.Length)];
        _enumerationSpaceId = options.EnumerationSpaceId;
    }

    /// <inheritdoc/>
    public override int QueueCount => Limits.QueueCount;

    /// <inheritdoc/>
    public override int ConfigurationLength => ConfigurationSpace;

    /// <inheritdoc/>
    public override IReadOnlyList<SharedMemoryRegion?> SharedMemory => _regions;

    /// <inheritdoc/>
    public override void ReadConfiguration(Span<byte> destination) => BitConverter.TryWriteBytes(destination, _enumerationSpaceId);

    /// <inheritdoc/>
    public override void Started(DeviceStart start)
    {
        _arenaView.Start();
        _state.NoteStart(start.Features);
        if (_guestLog.Allows(out var log))
        {
            Log.DriverStarted(log, start.Fresh);
        }

        if (start.Fresh)
        {
            _setUpAnew.AsSpan().Fill(true);
            EndDriver();
        }
    }

    /// <inheritdoc/>
    public override void QueueStarted(StartedQueue queue)
    {
        _queues[queue.Index] = queue;
        _state.NoteQueue(queue.Index, queue.Queue.Layout);
        Attach(queue, newDriver: _setUpAnew[queue.Index]);
        _setUpAnew[queue.Index] = false;
    }

    /// <inheritdoc/>
    public override void QueueStopping(int index)
    {
        Detach(index);
        _state.NoteStop(index);
        _queues[index] = null;
    }

    /// <inheritdoc/>
    public override void Stopped()
    {
        _arenaView.Stop();
        Log.DriverStopped(_logger);
    }

    /// <inheritdoc/>
    public override void MemoryChanging()
    {
        for (var i = 0; i < _queues.Length; i++)
        {
            Detach(i);
        }
    }

    /// <inheritdoc/>
    public override void MemoryChanged()
    {
        foreach (var queue in _queues)
        {
            if (queue is not null)
            {
                Attach(queue, newDriver: false);
            }
        }
    }

    /// <inheritdoc/>
    public override void SharedMemoryVisible(int region, ulong guestAddress)
    {
        _arenaView.Show(guestAddress);
        if (_guestLog.Allows(out var log))
        {
            Log.ArenaVisible(log, guestAddress);
        }
    }

    /// <inheritdoc/>
    public override void SharedMemoryHidden(int region) => _arenaView.Hide();

    /// <inheritdoc/>
    public override void SharedMemoryMapped(int region) => _arenaView.NoteMapped();

    /// <inheritdoc/>
    public override void SharedMemoryFailed(int region, Exception reason)
    {
        _arenaView.NoteFailed();
        if (_guestLog.Allows(out var log))
        {
            Log.ArenaFailed(log, reason.Message);
        }
    }

    /// <inheritdoc/>
    public override void MessageRefused(FrontEndRequest request, VhostUserException reason)
    {
        _model.Counters.Add(Counter.MessagesRejected);
        if (_guestLog.Allows(out var log))
        {
            Log.MessageRefused(log, request, reason.Message);
        }
    }

    /// <inheritdoc/>
    public override void Disconnected()
    {
        _arenaView.Stop();
        _model.ArenaAddress = 0;
        EndDriver();
    }

    /// <inheritdoc/>
    public void Dispose() => _guestLog.Dispose();

    private void EndDriver()
    {
        _config.ForgetDriver();

        // Not waited for here: a callback may still run, and the VM would stand still. The next driver's first config
        // request waits, for a while.
        var ended = _model.EndDriverAsync();
        if (!ended.IsCompleted) // else nothing is added, however often drivers come and go while one callback hangs
        {
            _ended = _ended.IsCompleted ? ended : Task.WhenAll(_ended, ended);
        }

        _config.WaitFor(_ended);
    }

    private void Attach(StartedQueue queue, bool newDriver)
    {
        switch (queue.Index)
        {
            case Limits.PingQueue:
                var pings = new PingQueue(queue, _faults);
                _model.AttachPings(_trace is null ? pings : new TracedPingQueue(pings, _trace), newDriver);
                _waiter.Add(queue.Index, queue.Kick);
                _waiter.Wake();
                break;
            case Limits.EventQueue:
                var events = new EventQueue(queue, _faults, _model.Counters, _waiter);
                _model.AttachEvents(_trace is null ? events : new TracedEventQueue(events, _trace));
                _waiter.Add(queue.Index, queue.Kick);
                break;
            default:
                _config.Attach(queue);
                break;
        }
    }

    private void Detach(int index)
    {
        switch (index)
        {
            case Limits.PingQueue:
                _waiter.Remove(index);
                _model.DetachPings();
                break;
            case Limits.EventQueue:
                _waiter.Remove(index);
                _model.DetachEvents();
                break;
            default:
                _config.Detach(index);
                break;
        }
    }
}
