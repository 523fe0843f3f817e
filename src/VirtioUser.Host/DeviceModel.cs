// The device model as a transport sees it.
using Microsoft.Extensions.Logging;
using VirtioUser.Host.Catalog;
using VirtioUser.Host.Config;
using VirtioUser.Host.Events;
using VirtioUser.Host.Instances;
using VirtioUser.Host.Memory;
using VirtioUser.Host.Pings;
using VirtioUser.Host.Plugins;
using VirtioUser.Host.Workers;
using VirtioUser.Protocol;

namespace VirtioUser.Host;

/// <summary>
/// The virtio-user device of one VM: takes messages, runs devices, sends events. It knows no
/// socket, no hypervisor and no system call; a transport gives it queues and memory. It lives as long as the
/// connection to the VM: drivers come and go. It has no thread of its own: those of a <see cref="WorkerPool"/> call <see cref="Run"/> for
/// each kick of the guest. Members may be called from any thread; attaching and detaching are for one thread at a time.
/// </summary>
public sealed class DeviceModel : IWork
{
    private readonly Lane<PingSchedule> _lane;
    private readonly PingRunner _runner;
    private readonly EventOutbox _events;
    private readonly PingWork _work;
    private readonly InstanceLife _life;
    private readonly InstancePlaces _places;
    private readonly ObjectTable _objects;
    private readonly ConfigHandler _handler;

    /// <summary>Puts the parts together.</summary>
    /// <param name="catalog">The devices.</param>
    /// <param name="arena">The memory of region 0.</param>
    /// <param name="workers">The threads that run devices.</param>
    /// <param name="options">Bounds.</param>
    /// <param name="counters">What is counted.</param>
    /// <param name="guestLog">The budget of log lines that the guest can cause.</param>
    /// <param name="loggers">Logs.</param>
    /// <param name="plugins">How devices that are shared libraries reach the arena; null if there are none.</param>
    public DeviceModel(
        DeviceCatalog catalog, IArenaMemory arena, WorkerPool workers, HostOptions options, HostCounters counters, GuestLog guestLog,
        ILoggerFactory loggers, IPluginPlatform? plugins = null)
    {
        ArgumentNullException.ThrowIfNull(guestLog);
        ArgumentNullException.ThrowIfNull(options);
        var logger = loggers.CreateLogger<DeviceModel>();
        Counters = counters;
        _objects = new ObjectTable(arena, Counters, guestLog);
        _places = new InstancePlaces(options.MaxInstances);
        _events = new EventOutbox(_places, options, Counters, workers);
        _lane = new Lane<PingSchedule>(new PingSchedule(options, Counters));
        _runner = new PingRunner(_lane, _events, _places, _objects, arena, Counters, guestLog, logger);
        _work = new PingWork(_lane, _runner, _events, workers);
        _events.Resume = _work.Resume;
        var vm = plugins is null ? null : new PluginVm(plugins, _objects, () => ArenaAddress, guestLog);
        _life = new InstanceLife(_lane, _work, _runner, _places, _events, _objects, workers, Counters, options, guestLog, loggers, logger, vm);
        _handler = new ConfigHandler(catalog, _life, _lane, _objects, Counters, guestLog, options.GivesReasons);
        Config = new ConfigWork(_handler, workers, options.DestroyTimeout, DiscardFreeMemory);
    }

    /// <summary>The config queues.</summary>
    public ConfigWork Config { get; }

    /// <summary>What was counted.</summary>
    public HostCounters Counters { get; }

    /// <summary>What was given out and has not come back. For tests.</summary>
    internal (int Instances, int Objects, int References, int Pings) InUse
    {
        get
        {
            using var held = _lane.Enter();
            return (_places.Taken, _objects.ObjectCount, _objects.ReferenceCount, held.Inside.Unfinished);
        }
    }

    /// <summary>How many threads work for the ping queue. For tests.</summary>
    internal int Workers
    {
        get
        {
            using var held = _lane.Enter();
            return held.Inside.Workers;
        }
    }

    /// <summary>The guest-physical address of the arena's first byte; 0 while the front-end has not told.</summary>
    public ulong ArenaAddress
    {
        get => _runner.ArenaAddress;
        set => _runner.ArenaAddress = value;
    }

    /// <summary>Whether the guest sees the arena, as far as the transport knows; while it does not, allocations are refused.</summary>
    public bool ArenaUsable
    {
        get => _handler.ArenaUsable;
        set => _handler.ArenaUsable = value;
    }

    /// <summary>
    /// Answers a config request; may run a device's callback and so take as long as
    /// <see cref="HostOptions.CreateTimeout"/>. For a transport that has no queues for that. Any thread; those of one instance in their order.
    /// </summary>
    /// <param name="request">A copy of what the guest sent, of any length.</param>
    public ConfigMessage HandleConfig(ReadOnlySpan<byte> request) => _handler.Handle(request);

    /// <summary>Does what a kick of the guest is for. Any number of threads at a time; takes as long as devices and the guest like.</summary>
    public void Run() => _work.Run();

    /// <summary>Begins to take pings. Waits for nothing.</summary>
    /// <param name="queue">The queue; used until <see cref="DetachPings"/>.</param>
    public void AttachPings(IPingQueue queue)
    {
        using (var held = _lane.Enter())
        {
            held.Inside.Attach(queue);
        }

        _work.Call();
    }

    /// <summary>
    /// Ends taking pings. When this returns the queue is not touched any more, except for a signal that is on its way; callbacks may
    /// still run. Entries of pings that run are given back when the same driver's ring is attached again.
    /// </summary>
    public void DetachPings()
    {
        using var held = _lane.Enter();
        held.Inside.Detach();
    }

    /// <summary>Begins to send events. Waits for nothing.</summary>
    /// <param name="queue">The queue; used until <see cref="DetachEvents"/>.</param>
    public void AttachEvents(IEventQueue queue)
    {
        _events.Attach(queue);
        _work.Call();
    }

    /// <summary>Ends sending. When this returns the queue is not touched any more, except for a signal that is on its way; events wait.</summary>
    public void DetachEvents() => _events.Detach();

    /// <summary>The driver is gone, without a word or with a reset: all its instances end.</summary>
    /// <remarks>
    /// To be called while both queues are detached, before those of a new driver are attached: then nothing of the
    /// old one, no entry, no event, reaches the new one. There is no need to wait for the end: a callback may hang.
    /// </remarks>
    /// <returns>Complete when the last callback of an instance that could be reached has returned.</returns>
    public Task EndDriverAsync() => _life.AbandonAll();

    /// <summary>
    /// Gives back what is free of the arena, since a guest can write there too. What is held until the last callbacks return is
    /// given back when it becomes free. Takes about 0.1 s for each GiB that was touched.
    /// </summary>
    public void DiscardFreeMemory() => _objects.DiscardFree();

    /// <summary>After <see cref="EndDriverAsync"/>, with no driver to come: complete when no instance is left, not even one whose callback runs still.</summary>
    public Task WhenInstancesEndedAsync() => _places.WhenNoneAsync();

    /// <summary>After <see cref="WhenInstancesEndedAsync"/>: complete when nobody uses bytes of the arena.</summary>
    public Task WhenMemoryUnusedAsync() => _objects.WhenNoneIsUsedAsync();
}
