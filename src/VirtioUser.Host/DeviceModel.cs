// The device model as a transport sees it.
using Microsoft.Extensions.Logging;
using VirtioUser.Host.Catalog;
using VirtioUser.Host.Config;
using VirtioUser.Host.Events;
using VirtioUser.Host.Instances;
using VirtioUser.Host.Memory;
using VirtioUser.Host.Pings;
using VirtioUser.Host.Plugins;
using VirtioUser.Host.State;
using VirtioUser.Protocol;

namespace VirtioUser.Host;

/// <summary>
/// The virtio-user device of one VM at a time: takes messages, runs devices, sends events. It knows no
/// socket, no hypervisor and no system call; a transport gives it queues and memory. It lives as long as the
/// daemon: drivers and connections come and go. Members may be called from any thread unless they say otherwise;
/// attaching and detaching are for one thread at a time.
/// </summary>
public sealed class DeviceModel : IDisposable
{
    private readonly GuestLog _guestLog;
    private readonly PingRunner _runner;
    private readonly EventSender _events;
    private readonly PingPump _pump;
    private readonly InstanceLife _life;
    private readonly ObjectTable _objects;
    private readonly ConfigHandler _config;
    private bool _pingsAttached;
    private bool _eventsAttached;

    /// <summary>Puts the parts together. <see cref="Start"/> begins.</summary>
    /// <param name="catalog">The devices.</param>
    /// <param name="arena">The memory of region 0.</param>
    /// <param name="state">Where the state is kept.</param>
    /// <param name="waiter">How to wait for the guest.</param>
    /// <param name="options">Bounds.</param>
    /// <param name="loggers">Logs.</param>
    public DeviceModel(
        DeviceCatalog catalog, IArenaMemory arena, HostState state, IQueueWaiter waiter, HostOptions options, ILoggerFactory loggers)
    {
        var logger = loggers.CreateLogger<DeviceModel>();
        Counters = new HostCounters(state);
        _guestLog = new GuestLog(logger);
        _objects = new ObjectTable(arena, state, Counters, _guestLog);
        var instances = new InstanceTable(state, options.MaxInstances);
        var pings = new PingTable(state);
        var returns = new PingReturns(pings);
        _events = new EventSender(pings, instances, Counters);
        _runner = new PingRunner(pings, returns, _events, instances, _objects, arena, Counters, options, _guestLog, logger);
        _pump = new PingPump(waiter, pings, returns, _runner, _events, instances, Counters, options, _guestLog, logger);
        _life = new InstanceLife(instances, _runner, _events, _objects, Counters, options, _guestLog, loggers, logger);
        _config = new ConfigHandler(catalog, _life, instances, _objects, Counters, _guestLog);
        foreach (var device in catalog.Entries.Select(entry => entry.Device).OfType<SharedLibraryDevice>())
        {
            device.Attach(_objects, () => ArenaAddress, _guestLog, loggers);
        }
    }

    /// <summary>What was counted.</summary>
    public HostCounters Counters { get; }

    /// <summary>The guest-physical address of the arena's first byte; 0 while the front-end has not told.</summary>
    public ulong ArenaAddress
    {
        get => _runner.ArenaAddress;
        set => _runner.ArenaAddress = value;
    }

    /// <summary>Whether the guest sees the arena, as far as the transport knows; while it does not, allocations are refused.</summary>
    public bool ArenaUsable
    {
        get => _config.ArenaUsable;
        set => _config.ArenaUsable = value;
    }

    /// <summary>Whether the thread that takes pings has noticed that no queue is attached. For tests.</summary>
    internal bool IsAtRest => _pump.IsAtRest;

    /// <summary>Starts the threads.</summary>
    /// <exception cref="InvalidOperationException">The system has no thread left.</exception>
    public void Start()
    {
        _life.Start();
        _pump.Start();
    }

    /// <summary>
    /// Answers a config request; may run a device's callback and so take as long as
    /// <see cref="HostOptions.CreateTimeout"/>. One thread at a time.
    /// </summary>
    /// <param name="request">A copy of what the guest sent, of any length.</param>
    public ConfigMessage HandleConfig(ReadOnlySpan<byte> request) => _config.Handle(request);

    /// <summary>Begins to take pings.</summary>
    /// <param name="queue">The queue; used until <see cref="DetachPings"/>.</param>
    /// <param name="newDriver">The queue was set up anew; false when it only was stopped for a while.</param>
    public void AttachPings(IPingQueue queue, bool newDriver)
    {
        DetachPings();
        _pump.Attach(queue, newDriver);
        _pingsAttached = true;
    }

    /// <summary>Ends taking pings. When this returns the queue is not touched any more; callbacks may still run.</summary>
    public void DetachPings()
    {
        if (_pingsAttached)
        {
            _pump.Detach();
            _pingsAttached = false;
        }
    }

    /// <summary>Begins to send events.</summary>
    /// <param name="queue">The queue; used until <see cref="DetachEvents"/>.</param>
    public void AttachEvents(IEventQueue queue)
    {
        DetachEvents();
        _events.Attach(queue);
        _eventsAttached = true;
    }

    /// <summary>Ends sending. When this returns the queue is not touched any more; events wait.</summary>
    public void DetachEvents()
    {
        if (_eventsAttached)
        {
            _events.Detach();
            _eventsAttached = false;
        }
    }

    /// <summary>The driver is gone, without a word or with a reset: all its instances end, its memory is given back.</summary>
    /// <remarks>
    /// To be called while both queues are detached, before those of a new driver are attached: then nothing of the
    /// old one, no entry, no event, reaches the new one. There is no need to wait for the end: a callback may hang.
    /// </remarks>
    /// <returns>Complete when the last callback has returned.</returns>
    public Task EndDriverAsync()
    {
        var ended = _life.AbandonAll();
        _runner.ForgetStrangers();
        _objects.DiscardFree(); // what is held until the last callbacks return is discarded when it becomes free
        return ended;
    }

    /// <summary>Ends the threads; those in a callback end when it returns.</summary>
    public void Dispose()
    {
        DetachPings();
        DetachEvents();
        _pump.Dispose();
        _life.Dispose();
        _guestLog.Dispose();
    }
}
