// The nodes, and what open says.
using TestDevice.Dependency;
using Virtio.Linux;
using VirtioUser.Protocol;
using Xunit;

namespace VirtioUser.Guest.Tests;

[Trait(Given.Needs, Given.Driver)]
public class NodeTests
{
    [Fact]
    public void Every_device_of_the_host_has_a_node_named_by_vendor_device_and_version()
    {
        var expected = new[]
        {
            new DeviceIdentity(0x5655, 1, 1), new DeviceIdentity(0x5655, 2, 1), new DeviceIdentity(TestDevices.Vendor, TestDevices.Test, 1),
            new DeviceIdentity(TestDevices.Vendor, TestDevices.Failing, 1), new DeviceIdentity(TestDevices.Vendor, TestDevices.Slow, 1),
            new DeviceIdentity(TestDevices.Vendor, TestDevices.ManyVersions, 2), new DeviceIdentity(TestDevices.Vendor, TestDevices.ManyVersions, 3),
            new DeviceIdentity(TestDevices.Vendor, TestDevices.ManyVersions, 4), new DeviceIdentity(TestDevices.Vendor, TestDevices.Second, 1),
            new DeviceIdentity(TestDevices.Vendor, TestDevices.Mapping, 1), new DeviceIdentity(TestDevices.Vendor, TestDevices.Holding, 1),
            new DeviceIdentity(TestDevices.Vendor, TestDevices.ManyVersionsInC, 2), new DeviceIdentity(TestDevices.Vendor, TestDevices.ManyVersionsInC, 3),
            new DeviceIdentity(TestDevices.Vendor, TestDevices.ManyVersionsInC, 4),
        };

        Assert.Equal(expected.Select(each => Path.Combine(DeviceNode.Directory, each.ToString())), DeviceNode.List().Select(node => node.Path));
    }

    [Fact]
    public void Only_the_owner_may_use_a_node()
    {
        foreach (var node in DeviceNode.List())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(node.Path));
        }
    }

    [Fact]
    public void A_device_that_makes_no_instance_can_not_be_opened()
    {
        var exception = Assert.Throws<VirtioUserException>(() => Given.Device(TestDevices.Failing));

        Assert.Equal((Errno.EIO, "open"), (exception.Errno, exception.Operation));
    }

    [Fact]
    public void Two_hundred_instances_live_side_by_side()
    {
        var devices = Enumerable.Range(0, 200).Select(_ => Given.Device()).ToList();
        for (uint i = 0; i < devices.Count; i++)
        {
            Assert.Equal(i, devices[(int)i].Ping(Given.Ping(TestOperation.Echo, i), Given.Deadline()));
        }

        foreach (var device in devices)
        {
            Assert.Equal(2u, device.Ping(Given.Ping(TestOperation.Count), Given.Deadline()));
        }

        devices.ForEach(device => device.Dispose());
    }
}
