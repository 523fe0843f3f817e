// What an instance may ask of the host.
using Microsoft.Extensions.Logging;
using VirtioUser.Protocol;

namespace VirtioUser.Devices;

/// <summary>Given to an instance when it is made. All members may be used from any thread.</summary>
public abstract class InstanceContext
{
    /// <summary>The instance's handle: never 0, never used twice while the daemon lives.</summary>
    public abstract ulong Handle { get; }

    /// <summary>Vendor, device, and the version that this instance has.</summary>
    public abstract DeviceIdentity Identity { get; }

    /// <summary>A log whose lines name the instance.</summary>
    public abstract ILogger Logger { get; }

    /// <summary>
    /// Sends an event that no ping asked for; the guest sees <paramref name="revents"/> with bit 30 set.
    /// Does not block. Each instance has room for a bounded number that the guest has not taken yet.
    /// </summary>
    /// <param name="revents">Bits 0 to 29; higher bits are taken off.</param>
    /// <returns>False if the event was dropped: no room (the guest is told that events were lost), or the instance has ended.</returns>
    public abstract bool TrySendEvent(uint revents);
}
