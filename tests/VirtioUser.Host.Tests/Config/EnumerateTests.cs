// Config operation 0.
using VirtioUser.Host.Catalog;
using VirtioUser.Host.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Config;

public class EnumerateTests
{
    private static readonly DeviceIdentity[] Three = [new(0x5655, 2, 9), new(0x5655, 1, 1), new(1, 0xFFFF_FFFF, 0)];

    [Fact]
    public void Lists_every_device_with_its_version_in_the_order_of_the_catalog()
    {
        using var host = new TestHost(Three.Select(identity => new ScriptedDevice((in _) => 0) { Is = identity }));

        var reply = host.Config(ConfigOperation.EnumerateDevices);

        Assert.Equal(ConfigError.None, reply.Error);
        Assert.Equal(ConfigOperation.EnumerateDevices, reply.Operation);
        Assert.Equal(3u, reply.DeviceCount);
        Assert.Equal(Three, Enumerable.Range(0, 3).Select(index => Identity(reply, index)));
        Assert.Equal(default, Identity(reply, 3));
    }

    [Fact]
    public void Lists_each_version_as_a_device()
    {
        using var host = new TestHost([
            new ScriptedDevice((in _) => 0) { Is = new(1, 1, 9), Accepts = [.. Enumerable.Range(0, 40).Select(version => (uint)version)] },
            new ScriptedDevice((in _) => 0) { Is = new(1, 2, 5) }]);

        var reply = host.Config(new ConfigMessage { Operation = ConfigOperation.EnumerateDevices, DeviceCount = 38 });

        Assert.Equal((3u, 41u), (reply.DeviceCount, reply.ShmId));
        Assert.Equal([new(1, 1, 38), new(1, 1, 39), new(1, 2, 5)], Enumerable.Range(0, 3).Select(i => Identity(reply, i)));
    }

    [Fact]
    public void Answers_the_same_when_asked_twice()
    {
        using var host = new TestHost(Three.Select(identity => new ScriptedDevice((in _) => 0) { Is = identity }));
        var first = new byte[ConfigMessage.Size];
        var second = new byte[ConfigMessage.Size];

        host.Config(ConfigOperation.EnumerateDevices).Write(first);
        host.Open();
        host.Config(ConfigOperation.EnumerateDevices).Write(second);

        Assert.Equal(first, second);
    }

    [Theory]
    [InlineData(32, 0, 32)]
    [InlineData(32, 31, 1)]
    [InlineData(32, 32, 0)]
    [InlineData(33, 0, 32)]
    [InlineData(33, 32, 1)]
    [InlineData(100, 64, 32)]
    [InlineData(100, 96, 4)]
    [InlineData(4096, 4080, 16)]
    [InlineData(3, 4, 0)]
    [InlineData(3, uint.MaxValue, 0)]
    [InlineData(3, 0x8000_0000, 0)]
    public void Lists_up_to_32_devices_from_the_one_that_is_asked_for(int total, uint first, uint count)
    {
        using var host = new TestHost(Enumerable.Range(0, total).Select(id => new ScriptedDevice((in _) => 0) { Is = new(1, (uint)id, 7) }));

        var reply = host.Config(new ConfigMessage { Operation = ConfigOperation.EnumerateDevices, DeviceCount = first });

        Assert.Equal((ConfigError.None, count, (ulong)total), (reply.Error, reply.DeviceCount, reply.ShmId));
        Assert.Equal(Enumerable.Range(0, (int)count).Select(i => new DeviceIdentity(1, first + (uint)i, 7)), Enumerable.Range(0, (int)count).Select(i => Identity(reply, i)));
        Assert.All(Enumerable.Range((int)count, 32 - (int)count), i => Assert.Equal(default, Identity(reply, i)));
    }

    [Fact]
    public void A_host_of_more_devices_than_a_guest_takes_does_not_begin() =>
        Assert.Throws<DeviceLoadException>(() => new TestHost(Enumerable.Range(0, 4097).Select(id => new ScriptedDevice((in _) => 0) { Is = new(1, (uint)id, 7) })));

    [Fact]
    public void A_host_without_devices_lists_none()
    {
        using var host = new TestHost([]);

        Assert.Equal(0u, host.Config(ConfigOperation.EnumerateDevices).DeviceCount);
    }

    private static DeviceIdentity Identity(ConfigMessage message, int index) =>
        new(message.Vendors[index], message.Devices[index], message.Versions[index]);
}
