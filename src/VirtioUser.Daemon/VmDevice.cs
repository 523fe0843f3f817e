// The device model of one VM and what joins it to the queues.
using Microsoft.Extensions.Logging;
using VirtioUser.Host;

namespace VirtioUser.Daemon;

/// <summary>
/// Made when a driver starts for the first time, since most of what connects and goes never gets there; lives as long as the
/// connection, and longer where callbacks do.
/// </summary>
internal sealed class VmDevice
{
    /// <summary>Makes the parts.</summary>
    /// <param name="services">What all connections share.</param>
    /// <param name="arena">The arena of this connection.</param>
    /// <param name="guestLog">Its budget of log lines.</param>
    /// <exception cref="Virtio.Linux.LinuxException">No descriptor is left.</exception>
    public VmDevice(VmServices services, SharedMapping arena, GuestLog guestLog)
    {
        var loggers = services.Loggers;
        Counters = services.Totals.Begin();
        Model = new DeviceModel(
            services.Catalog, arena, services.Workers, services.Bounds, Counters, guestLog, loggers, new PluginPlatform(arena));
        Kicks = new VmKicks(services.Kicks, Model);
        ConfigKicks = new VmKicks(services.Kicks, Model.Config);
        GuestLogger = guestLog.For(loggers.CreateLogger<VmDevice>());
        Faults = new QueueFaults(loggers.CreateLogger<QueueFaults>(), guestLog, Counters, services.Workers);
        Model.Config.Observer = services.Trace is { } trace ? trace.Config : null;
        ArenaView = new ArenaView(Model, guestLog.For(loggers.CreateLogger<ArenaView>()));
    }

    /// <summary>What this VM has caused.</summary>
    public HostCounters Counters { get; }

    /// <summary>The kicks of queues 2 and 3.</summary>
    public VmKicks Kicks { get; }

    /// <summary>The device model.</summary>
    public DeviceModel Model { get; }

    /// <summary>The kicks of queues 0 and 1.</summary>
    public VmKicks ConfigKicks { get; }

    /// <summary>Where lines go that the guest can cause.</summary>
    public ILogger GuestLogger { get; }

    /// <summary>What the guest sees of the arena.</summary>
    public ArenaView ArenaView { get; }

    /// <summary>Told when a driver has broken its rings.</summary>
    public QueueFaults Faults { get; }

    /// <summary>
    /// Ends everything but callbacks that run; the queues must be detached and <see cref="DeviceModel.EndDriverAsync"/> called.
    /// </summary>
    /// <returns>Complete when the last instance has ended.</returns>
    public async Task EndAsync()
    {
        // A callback that holds up many others must not keep what those have left behind.
        var patience = TimeSpan.FromMilliseconds(250);

        Model.Config.Stop();
        await Model.Config.Ended.ConfigureAwait(false); // an instance that is made at this moment is one that is ended, too
        ArenaView.Dispose();
        var ended = Model.WhenInstancesEndedAsync();
        await ended.WaitAsync(patience).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!ended.IsCompleted)
        {
            Model.DiscardFreeMemory();
        }

        await ended.ConfigureAwait(false);
    }
}
