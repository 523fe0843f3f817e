// The class that a device author writes first: identity, versions, and how an instance is made.
using VirtioUser.Protocol;

namespace VirtioUser.Devices;

/// <summary>
/// A kind of device. The daemon makes one object of each public class that derives from this one and has
/// a public constructor without parameters, when it loads the assembly, and keeps it while it runs.
/// </summary>
public abstract class Device : IAsyncDisposable
{
    /// <summary>Vendor and device under which guests find the device, and its newest version. Must not change.</summary>
    public abstract DeviceIdentity Identity { get; }

    /// <summary>
    /// The versions that the device accepts, each once, that of <see cref="Identity"/> among them. A guest finds each as a device, and
    /// opens one of them; <see cref="InstanceContext.Identity"/> tells the instance which. Read once. As it stands, only the version
    /// in <see cref="Identity"/>.
    /// </summary>
    public virtual IReadOnlyList<uint> Versions => [Identity.Version];

    /// <summary>
    /// Makes an instance: a guest program has opened the device. Called on a thread of the daemon, for
    /// several instances at once. An exception refuses the instance and is logged.
    /// </summary>
    /// <param name="context">What the instance can ask of the host; it may be kept.</param>
    public abstract DeviceInstance CreateInstance(InstanceContext context);

    /// <summary>
    /// The host ends: gives back what the device holds for all instances. Called once, after the last instance has ended or the time for that is
    /// over. The host waits for it, for a bounded time. As it stands, does nothing.
    /// </summary>
    public virtual ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }
}
