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
    Instance instance, ILogger logger, EventOutbox events, ObjectTable objects, PluginVm? plugins) : InstanceContext
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
    public override CancellationToken Ending => instance.Ending;

    /// <inheritdoc/>
    public override bool TrySendEvent(uint revents) => events.TrySend(instance, revents);

    /// <inheritdoc/>
    public override ValueTask<bool> SendEventAsync(uint revents, CancellationToken cancellationToken = default) =>
        events.SendAsync(instance, revents, cancellationToken);

    /// <inheritdoc/>
    protected override HeldRange? TryHold(ulong shmId, SharedRange range)
    {
        if (!instance.TryGetReference(shmId, out var shared))
        {
            return null;
        }

        var hold = new Hold(shared, 0, range.Length);
        if (instance.Holds.TryAdd(hold) is not null)
        {
            return null;
        }

        var memory = new HeldMemory(hold, range, instance.Holds, objects);
        return new HeldRange(new SharedRange(memory, 0, range.Length), memory);
    }
}
