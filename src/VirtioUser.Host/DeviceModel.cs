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
/// The virtio-user device of one VM: takes messages, runs devices, sends events. It knows no
/// socket, no hypervisor and no system call; a transport gives it queues and memory. It lives as long as the
/// connection to the VM: drivers come and go. Members may be called from any thread unless they say otherwise;
/// attaching and detaching are for one thread at a time.
/// </summary>
public sealed class DeviceModel : IDisposable
{
    private readonly PingRunner _runner;
    private readonly EventSender _events;
    private readonly PingPump _pump;
    private readonly InstanceLife _life;
    private readonly InstanceTable _instances;
    private readonly ObjectTable _objects;
    private readonly ConfigHandler _config;
    private bool _pingsAttached;
    private bool _eventsAttached;

    /// <summary>Puts the parts together. <see cref="Start"/> begins.</summary>
    /// <param name="catalog">The devices.</param>
    /// <param name="arena">The memory of region 0.</param>
    /// <param name="waiter">How to wait for the guest.</param>
    /// <param name="options">Bounds.</param>
    /// <param name="counters">What is counted.</param>
    /// <param name="guestLog">The budget of log lines that the guest can cause.</param>
    /// <param name="loggers">Logs.</param>
    /// <param name="plugins">How devices that are shared libraries reach the arena; null if there are none.</param>
    public DeviceModel(
        DeviceCatalog catalog, IArenaMemory arena, IQueueWaiter waiter, HostOptions options, HostCounters counters, GuestLog guestLog,
        ILoggerFactory loggers, IPluginPlatform? plugins = null)
    {
        ArgumentNullException.ThrowIfNull(guestLog);
        var logger = loggers.CreateLogger<DeviceModel>();
        Counters = counters;
        _objects = new ObjectTable(arena, State, Counters, guestLog);
        _instances = new InstanceTable(State, options.MaxInstances);
        var pings = new PingTable(State);
        var returns = new PingReturns(pings);
        _events = new EventSender(pings, _instances, Counters);
        _runner = new PingRunner(pings, returns, _events, _instances, _objects, arena, Counters, options, guestLog, logger);
        _pump = new PingPump(waiter, pings, returns, _runner, _events, _instances, Counters, options, guestLog, logger);
        var vm = plugins is null ? null : new PluginVm(plugins, _objects, () => ArenaAddress, guestLog);
        _life = new InstanceLife(_instances, _runner, _events, _objects, Counters, options, guestLog, loggers, logger, vm);
        _config = new ConfigHandler(catalog, _life, _instances, _objects, Counters, guestLog);
    }

    /// <summary>What was counted.</summary>
    public HostCounters Counters { get; }

    /// <summary>What was given out.</summary>
    internal HostState State { get; } = new();

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

    /// <summary>The driver is gone, without a word or with a reset: all its instances end.</summary>
    /// <remarks>
    /// To be called while both queues are detached, before those of a new driver are attached: then nothing of the
    /// old one, no entry, no event, reaches the new one. There is no need to wait for the end: a callback may hang.
    /// </remarks>
    /// <returns>Complete when the last callback of an instance that could be reached has returned.</returns>
    public Task EndDriverAsync()
    {
        var ended = _life.AbandonAll();
        _runner.ForgetStrangers();
        return ended;
    }

    /// <summary>
    /// Gives back what is free of the arena, since a guest can write there too. What is held until the last callbacks return is
    /// given back when it becomes free. Takes about 0.1 s for each GiB that was touched.
    /// </summary>
    public void DiscardFreeMemory() => _objects.DiscardFree();

    /// <summary>After <see cref="Dispose"/>: complete when no instance is left, not even one whose callback runs still.</summary>
    public Task WhenInstancesEndedAsync() => _instances.WhenNoneAsync();

    /// <summary>After <see cref="WhenInstancesEndedAsync"/>: complete when nobody uses bytes of the arena.</summary>
    public Task WhenMemoryUnusedAsync() => _objects.WhenNoneIsUsedAsync();

    /// <summary>Ends the threads; those in a callback end when it returns. Not during <see cref="HandleConfig"/>.</summary>
    public void Dispose()
    {
        DetachPings();
        DetachEvents();
        _pump.Dispose();
        _life.Dispose();
    }
}
