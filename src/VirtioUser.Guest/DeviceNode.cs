// The device nodes that the driver makes, one for each device of the host.
using Virtio.Linux;
using VirtioUser.Protocol;

namespace VirtioUser.Guest;

/// <summary>A device that can be opened.</summary>
/// <param name="Identity">Vendor, device and version.</param>
/// <param name="Path">The node.</param>
public sealed record DeviceNode(DeviceIdentity Identity, string Path)
{
    /// <summary>Where the driver's nodes are.</summary>
    public const string Directory = "/dev/virtio-user";

    /// <summary>Lists the devices, in the order of their identities.</summary>
    /// <returns>Empty if the driver is not loaded or the VM has no virtio-user device.</returns>
    public static IReadOnlyList<DeviceNode> List() => List(Directory);

    /// <summary>Finds the newest version of a device within a range of versions.</summary>
    /// <param name="vendor">The vendor ID.</param>
    /// <param name="device">The device ID.</param>
    /// <param name="minimumVersion">The oldest version that will do.</param>
    /// <param name="maximumVersion">The newest version that will do.</param>
    /// <exception cref="VirtioUserException">There is none (<see cref="Errno.ENOENT"/>); the message lists what there is.</exception>
    public static DeviceNode Find(uint vendor, uint device, uint minimumVersion = 0, uint maximumVersion = uint.MaxValue) =>
        Find(Directory, vendor, device, minimumVersion, maximumVersion);

    internal static IReadOnlyList<DeviceNode> List(string directory)
    {
        var nodes = new List<DeviceNode>();
        try
        {
            foreach (var path in System.IO.Directory.EnumerateFiles(directory))
            {
                if (DeviceIdentity.TryParse(System.IO.Path.GetFileName(path), null, out var identity))
                    nodes.Add(new DeviceNode(identity, path));
            }
        }
        catch (DirectoryNotFoundException)
        {
            // The driver makes the folder with its first node.
        }

        nodes.Sort(static (one, other) =>
            (one.Identity.Vendor, one.Identity.Device, one.Identity.Version).CompareTo((other.Identity.Vendor, other.Identity.Device, other.Identity.Version)));
        return nodes;
    }

    internal static DeviceNode Find(string directory, uint vendor, uint device, uint minimumVersion, uint maximumVersion)
    {
        var nodes = List(directory);
        return nodes.LastOrDefault(node => node.Identity.Vendor == vendor && node.Identity.Device == device &&
                                           node.Identity.Version >= minimumVersion && node.Identity.Version <= maximumVersion)
            ?? throw new VirtioUserException($"{vendor:x4}:{device:x4}", "open", Errno.ENOENT, nodes.Count == 0
                ? $"there are no devices in {directory}: the virtio_user driver is not loaded, or the VM has no virtio-user device"
                : $"no version from {minimumVersion} to {maximumVersion} among {string.Join(", ", nodes.Select(node => node.Identity))}");
    }
}
