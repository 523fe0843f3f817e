// What an instance of a device sees of the host.
using Microsoft.Extensions.Logging;
using VirtioUser.Devices;
using VirtioUser.Host.Events;
using VirtioUser.Host.Memory;
using VirtioUser.Host.Plugins;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Instances;

/// <summary>The host's side of <see cref="InstanceContext"/>.</summary>
internal sealed class HostInstanceContext(
    Instance instance, ILogger logger, EventSender events, ObjectTable objects, HostCounters counters, HostOptions options, PluginVm? plugins) : InstanceContext
{
    /// <summary>The instance.</summary>
    public Instance Instance => instance;

    /// <summary>What devices that are shared libraries need of the VM; null where there are none.</summary>
    public PluginVm? Plugins => plugins;

    /// <inheritdoc/>
    public override ulong Handle => instance.Id;

    /// <inheritdoc/>
    public override DeviceIdentity Identity => instance.Identity;

    /// <inheritdoc/>
    public override ILogger Logger => logger;

    /// <inheritdoc/>
    public override bool TrySendEvent(uint revents)
    {
        if (instance.Abandoned || instance.Failed || instance.Ended.IsCompleted)
        {
            return false;
        }

        if (instance.TryReserveOwnEvent(options.MaxOwnEventsWaiting, out var reportLoss))
        {
            events.Post(new EventItem(instance, instance.Handle, (revents & Revents.DeviceMask) | Revents.Unsolicited, -1));
            return true;
        }

        counters.Add(Counter.EventsDropped);
        if (reportLoss)
        {
            events.Post(new EventItem(instance, instance.Handle, Revents.NoticeEventsLost, -1));
        }

        return false;
    }

    /// <inheritdoc/>
    protected override HeldRange? TryHold(ulong shmId, SharedRange range)
    {
        if (!instance.TryGetHeld(shmId, out var held))
        {
            return null;
        }

        var hold = new Hold(held.Object, 0, range.Length);
        if (instance.Holds.TryAdd(hold) is not null)
        {
            return null;
        }

        var memory = new HeldMemory(hold, range, instance.Holds, objects);
        return new HeldRange(new SharedRange(memory, 0, range.Length), memory);
    }
}
