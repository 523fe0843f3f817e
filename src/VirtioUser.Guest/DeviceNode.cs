// The devices that a program can open.
using Virtio.Linux;
using VirtioUser.Protocol;

namespace VirtioUser.Guest;

/// <summary>A device that can be opened.</summary>
/// <param name="Identity">Vendor, device and version.</param>
/// <param name="Path">The node of the guest driver; or <c>unix:</c> and the socket of a daemon.</param>
public sealed record DeviceNode(DeviceIdentity Identity, string Path)
{
    /// <summary>Where the driver's nodes are.</summary>
    public const string Directory = "/dev/virtio-user";

    /// <summary>Where it was found.</summary>
    internal DeviceSource Source { get; init; } = DeviceSource.Driver;

    /// <summary>Lists the devices, in the order of their identities.</summary>
    /// <param name="source">Where to look; null = <see cref="DeviceSource.Default"/>.</param>
    /// <returns>Empty if the driver is not loaded or the VM has no virtio-user device.</returns>
    /// <exception cref="VirtioUserException">There is no daemon, or it does not answer.</exception>
    public static IReadOnlyList<DeviceNode> List(DeviceSource? source = null) => (source ?? DeviceSource.Default).List();

    /// <summary>Finds the newest version of a device within a range of versions.</summary>
    /// <param name="vendor">The vendor ID.</param>
    /// <param name="device">The device ID.</param>
    /// <param name="minimumVersion">The oldest version that will do.</param>
    /// <param name="maximumVersion">The newest version that will do.</param>
    /// <param name="source">Where to look; null = <see cref="DeviceSource.Default"/>.</param>
    /// <exception cref="VirtioUserException">There is none (<see cref="Errno.ENOENT"/>); the message lists what there is.</exception>
    public static DeviceNode Find(uint vendor, uint device, uint minimumVersion = 0, uint maximumVersion = uint.MaxValue, DeviceSource? source = null)
    {
        source ??= DeviceSource.Default;
        var nodes = source.List();
        var versions = nodes.Where(node => node.Identity.Vendor == vendor && node.Identity.Device == device).ToList();
        return versions.LastOrDefault(node => node.Identity.Version >= minimumVersion && node.Identity.Version <= maximumVersion)
            ?? throw new VirtioUserException($"{vendor:x4}:{device:x4}", "open", Errno.ENOENT, (nodes.Count, versions.Count) switch
            {
                (0, _) => source.WhyEmpty,
                (_, 0) => $"there is no such device, only {Listed(nodes)}",
                _ => $"no version from {minimumVersion} to {maximumVersion}, only {Listed(versions)}",
            });
    }

    internal static int Compare(DeviceNode one, DeviceNode other) =>
        (one.Identity.Vendor, one.Identity.Device, one.Identity.Version).CompareTo((other.Identity.Vendor, other.Identity.Device, other.Identity.Version));

    private static string Listed(IEnumerable<DeviceNode> nodes) => string.Join(", ", nodes.Select(node => node.Identity));
}
