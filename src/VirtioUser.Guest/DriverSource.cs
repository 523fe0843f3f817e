// Devices that the guest driver shows.
using VirtioUser.Guest.Channels;
using VirtioUser.Protocol;

namespace VirtioUser.Guest;

/// <summary>The nodes in a directory.</summary>
/// <param name="directory">Where they are.</param>
internal sealed class DriverSource(string directory = DeviceNode.Directory) : DeviceSource
{
    internal override string WhyEmpty =>
        $"there are no devices in {directory}: the virtio_user driver is not loaded, or the VM has no virtio-user device";

    public override IReadOnlyList<DeviceNode> List()
    {
        var nodes = new List<DeviceNode>();
        try
        {
            foreach (var path in Directory.EnumerateFiles(directory))
            {
                if (DeviceIdentity.TryParse(Path.GetFileName(path), null, out var identity))
                {
                    nodes.Add(new DeviceNode(identity, path));
                }
            }
        }
        catch (DirectoryNotFoundException)
        {
            // The driver makes the folder with its first node.
        }

        nodes.Sort(DeviceNode.Compare);
        return nodes;
    }

    internal override DeviceChannel Open(DeviceNode node) => DriverChannel.Open(node);

    private protected override void Close()
    {
        // Nothing is held: each instance has its file.
    }
}
