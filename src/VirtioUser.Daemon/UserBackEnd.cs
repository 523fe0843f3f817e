// The virtio-user device as the vhost-user library sees it.
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Virtio.VhostUser;
using VirtioUser.Host;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon;

/// <summary>
/// Joins a vhost-user connection and the device model: which queue goes where, when, and what the guest sees.
/// One object for each connection. Members are called on the connection's thread, unless <see cref="BackEndDevice"/> says otherwise.
/// </summary>
internal sealed class UserBackEnd : BackEndDevice
{
    // The configuration space is longer than what has a meaning, so that any size the front-end was told fits.
    private const int SpaceLength = 256;

    // Another process remembers nothing of this one's instances and objects.
    private static readonly uint HostEpoch = (uint)RandomNumberGenerator.GetInt32(1, int.MaxValue);

    private readonly VmServices _services;
    private readonly SharedMapping _arena;
    private readonly GuestLog _guestLog;
    private readonly ILogger _logger;
    private readonly Action<bool> _driverRuns;
    private readonly SharedMemoryRegion?[] _regions;
    private readonly StartedQueue?[] _queues = new StartedQueue?[Limits.QueueCount];

    // Complete when nothing is left of all drivers before the present one.
    private Task _ended = Task.CompletedTask;

    /// <summary>Joins a connection and an arena.</summary>
    /// <param name="services">What all connections share.</param>
    /// <param name="arena">The arena of this connection.</param>
    /// <param name="guestLog">Its budget of log lines.</param>
    /// <param name="driverRuns">Called when a driver starts the device, and when it stops.</param>
    public UserBackEnd(VmServices services, SharedMapping arena, GuestLog guestLog, Action<bool> driverRuns)
    {
        (_services, _arena, _guestLog, _driverRuns) = (services, arena, guestLog, driverRuns);
        _logger = guestLog.For(services.Loggers.CreateLogger<UserBackEnd>());
        _regions = [new SharedMemoryRegion(arena.Descriptor, arena.Length)];
    }

    /// <summary>The device model and its queues; null until a driver starts for the first time.</summary>
    public VmDevice? Device { get; private set; }

    /// <inheritdoc/>
    public override int QueueCount => Limits.QueueCount;

    /// <inheritdoc/>
    public override int ConfigurationLength => SpaceLength;

    /// <inheritdoc/>
    public override IReadOnlyList<SharedMemoryRegion?> SharedMemory => _regions;

    /// <inheritdoc/>
    public override void ReadConfiguration(Span<byte> destination) => MemoryMarshal.Write(
        destination, new ConfigurationSpace { EnumerationSpaceId = _services.Options.EnumerationSpaceId, HostEpoch = HostEpoch });

    /// <inheritdoc/>
    public override void Started(DeviceStart start)
    {
        var former = Device;
        Device ??= new VmDevice(_services, _arena, _guestLog);
        Device.ArenaView.Start();
        Log.DriverStarted(_logger, start.Fresh);
        if (start.Fresh && former is not null)
        {
            Device.Model.Config.WaitFor(EndDriver(former));
        }

        _driverRuns(true);
    }

    /// <inheritdoc/>
    public override void QueueStarted(StartedQueue queue)
    {
        _queues[queue.Index] = queue;
        Attach(Device!, queue);
    }

    /// <inheritdoc/>
    public override void QueueStopping(int index)
    {
        Detach(Device!, index);
        _queues[index] = null;
    }

    /// <inheritdoc/>
    public override void Stopped()
    {
        Device!.ArenaView.Stop();
        Log.DriverStopped(_logger);
        _driverRuns(false);
    }

    /// <inheritdoc/>
    public override void MemoryChanging()
    {
        for (var i = 0; i < _queues.Length; i++)
        {
            Detach(Device!, i);
        }
    }

    /// <inheritdoc/>
    public override void MemoryChanged()
    {
        foreach (var queue in _queues)
        {
            if (queue is not null)
            {
                Attach(Device!, queue);
            }
        }
    }

    /// <inheritdoc/>
    public override void SharedMemoryVisible(int region, ulong guestAddress)
    {
        Device!.ArenaView.Show(guestAddress);
        Log.ArenaVisible(_logger, guestAddress);
    }

    /// <inheritdoc/>
    public override void SharedMemoryHidden(int region) => Device!.ArenaView.Hide();

    /// <inheritdoc/>
    public override void SharedMemoryMapped(int region) => Device!.ArenaView.NoteMapped();

    /// <inheritdoc/>
    public override void SharedMemoryFailed(int region, Exception reason)
    {
        Device!.ArenaView.NoteFailed();
        Log.ArenaFailed(_logger, reason.Message);
    }

    /// <inheritdoc/>
    public override void MessageRefused(FrontEndRequest request, VhostUserException reason)
    {
        (Device?.Counters ?? _services.Totals.Own).Add(Counter.MessagesRejected);
        Log.MessageRefused(_logger, request, reason.Message);
    }

    /// <inheritdoc/>
    public override void Disconnected()
    {
        if (Device is { } device)
        {
            device.ArenaView.Stop();
            _ = EndDriver(device);
        }
    }

    /// <summary>Ends all instances. Not waited for here: a callback may still run, and the VM would stand still.</summary>
    /// <returns>Complete when nothing is left of all drivers up to now.</returns>
    private Task EndDriver(VmDevice device)
    {
        device.Model.Config.ForgetDriver();
        var ended = device.Model.EndDriverAsync();
        if (!ended.IsCompleted)
        {
            _ended = _ended.IsCompleted ? ended : Task.WhenAll(_ended, ended);
        }

        return _ended;
    }

    private void Attach(VmDevice device, StartedQueue queue)
    {
        switch (queue.Index)
        {
            case Limits.PingQueue:
                device.Model.AttachPings(new PingQueue(queue, device.Faults, _services.Trace));
                device.Kicks.Add(queue.Index, queue.Kick);
                break;
            case Limits.EventQueue:
                device.Model.AttachEvents(new EventQueue(queue, device.Faults, device.Counters, _services.Trace));
                device.Kicks.Add(queue.Index, queue.Kick);
                break;
            case Limits.ConfigTxQueue:
                device.Model.Config.Attach(new RequestQueue(queue, device.Faults));
                device.ConfigKicks.Add(queue.Index, queue.Kick);
                break;
            case Limits.ConfigRxQueue:
                device.Model.Config.Attach(new ReplyQueue(queue, device.Faults, device.Counters, device.GuestLogger));
                device.ConfigKicks.Add(queue.Index, queue.Kick);
                break;
        }
    }

    private static void Detach(VmDevice device, int index)
    {
        switch (index)
        {
            case Limits.PingQueue:
                device.Kicks.Remove(index);
                device.Model.DetachPings();
                break;
            case Limits.EventQueue:
                device.Kicks.Remove(index);
                device.Model.DetachEvents();
                break;
            case Limits.ConfigTxQueue:
                device.ConfigKicks.Remove(index);
                device.Model.Config.DetachRequests();
                break;
            case Limits.ConfigRxQueue:
                device.ConfigKicks.Remove(index);
                device.Model.Config.DetachReplies();
                break;
        }
    }
}
