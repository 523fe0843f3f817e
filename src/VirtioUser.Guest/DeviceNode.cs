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
    /// <exception cref="VirtioUserException">
    /// There is no such device (<see cref="Errno.ENOENT"/>), or none of its versions will do (<see cref="Errno.ENOTSUP"/>); the message
    /// lists what there is.
    /// </exception>
    public static DeviceNode Find(uint vendor, uint device, uint minimumVersion = 0, uint maximumVersion = uint.MaxValue, DeviceSource? source = null) =>
        Find(
            vendor, device, version => version >= minimumVersion && version <= maximumVersion,
            $"versions from {minimumVersion} to {maximumVersion}", source ?? DeviceSource.Default);

    /// <summary>Finds the newest version of a device among those that the program speaks.</summary>
    /// <param name="vendor">The vendor ID.</param>
    /// <param name="device">The device ID.</param>
    /// <param name="versions">The versions that the program speaks, in any order.</param>
    /// <param name="source">Where to look; null = <see cref="DeviceSource.Default"/>.</param>
    /// <exception cref="VirtioUserException">
    /// There is no such device (<see cref="Errno.ENOENT"/>), or both sides share no version (<see cref="Errno.ENOTSUP"/>); the message
    /// lists what there is.
    /// </exception>
    public static DeviceNode Find(uint vendor, uint device, IReadOnlyCollection<uint> versions, DeviceSource? source = null)
    {
        ArgumentNullException.ThrowIfNull(versions);
        return Find(vendor, device, versions.Contains, $"versions {string.Join(", ", versions)}", source ?? DeviceSource.Default);
    }

    private static DeviceNode Find(uint vendor, uint device, Predicate<uint> speaks, string spoken, DeviceSource source)
    {
        var nodes = source.List();
        var offered = nodes.Where(node => node.Identity.Vendor == vendor && node.Identity.Device == device).ToList();
        if (offered.FindLast(node => speaks(node.Identity.Version)) is { } found)
        {
            return found;
        }

        var (errno, reason) = (nodes.Count, offered.Count) switch
        {
            (0, _) => (Errno.ENOENT, source.WhyEmpty),
            (_, 0) => (Errno.ENOENT, $"there is no such device, only {Listed(nodes)}"),
            _ => (Errno.ENOTSUP, $"the program speaks {spoken}, the host has only {string.Join(", ", offered.Select(node => node.Identity.Version))}"),
        };
        throw new VirtioUserException($"{vendor:x4}:{device:x4}", "open", errno, reason);
    }

    internal static int Compare(DeviceNode one, DeviceNode other) =>
        (one.Identity.Vendor, one.Identity.Device, one.Identity.Version).CompareTo((other.Identity.Vendor, other.Identity.Device, other.Identity.Version));

    private static string Listed(IEnumerable<DeviceNode> nodes) => string.Join(", ", nodes.Select(node => node.Identity));
}
