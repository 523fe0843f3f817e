// Config operation 0.
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

    [Fact]
    public void Lists_32_devices()
    {
        using var host = new TestHost(Enumerable.Range(1, 32).Select(id => new ScriptedDevice((in _) => 0) { Is = new(1, (uint)id, 7) }));

        var reply = host.Config(ConfigOperation.EnumerateDevices);

        Assert.Equal(32u, reply.DeviceCount);
        Assert.Equal(new DeviceIdentity(1, 32, 7), Identity(reply, 31));
    }

    [Fact]
    public void A_host_without_devices_lists_none()
    {
        using var host = new TestHost([]);

        Assert.Equal(0u, host.Config(ConfigOperation.EnumerateDevices).DeviceCount);
    }

    private static DeviceIdentity Identity(ConfigMessage message, int index) =>
        new(message.Vendors[index], message.Devices[index], message.Versions[index]);
}
