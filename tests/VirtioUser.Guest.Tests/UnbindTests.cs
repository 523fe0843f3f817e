// The device is taken away while programs use it.
using TestDevice.Dependency;
using Virtio.Linux;
using VirtioUser.Guest.Channels;
using Xunit;

namespace VirtioUser.Guest.Tests;

[Trait(Given.Needs, Given.Driver)]
public class UnbindTests
{
    private const string DriverFolder = "/sys/bus/virtio/drivers/virtio_user";

    [Fact]
    public async Task Unbinding_ends_everything_with_ENODEV_and_binding_begins_anew()
    {
        using var device = Given.Device();
        using var instance = new RawInstance();
        using var full = new RawInstance();
        var gate = Given.Gate();
        var held = instance.Allocate(4096);
        using var mapping = instance.Map(held);
        mapping.GetSpan(0, 1)[0] = 1;
        var reading = Given.Blocking(() => Record.Exception(() => device.ReadEvent(Given.Deadline())));
        var rawReading = Given.Blocking(() => Record.Exception(() => instance.Read()));
        var calling = Given.Blocking(() => Record.Exception((Action)(() => CallForEver(gate))));
        var writing = Given.Blocking(() => Record.Exception((Action)(() => WriteForEver(full, gate))));
        var name = Path.GetFileName(Directory.EnumerateDirectories(DriverFolder, "virtio*").Single());

        await File.WriteAllTextAsync(Path.Combine(DriverFolder, "unbind"), name, Given.Deadline());
        try
        {
            Assert.Equal(Errno.ENODEV, Assert.IsType<VirtioUserException>(await reading).Errno);
            Assert.Equal(Errno.ENODEV, Assert.IsType<LinuxException>(await rawReading).Errno);
            Assert.Equal(Errno.ENODEV, Assert.IsType<LinuxException>(await calling).Errno);
            Assert.Equal(Errno.ENODEV, Assert.IsType<LinuxException>(await writing).Errno);
            Assert.Equal(Errno.ENODEV, RawInstance.ErrnoOf(() => instance.Write(Given.Ping(TestOperation.Echo))));
            Assert.Equal(Errno.ENODEV, RawInstance.ErrnoOf(() => instance.Allocate(4096)));
            Assert.Equal(Errno.ENODEV, RawInstance.ErrnoOf(() => instance.Call(DriverInterface.Free, held.Id)));
            Assert.Equal(Errno.ENODEV, RawInstance.ErrnoOf(() => Mapping.Map(instance.File.Descriptor, held.Offset, 4096)));
            Assert.True(instance.Ready().HasFlag(PollEvents.HangUp));
            Assert.True(Given.Faults(mapping));
            Assert.Empty(DeviceNode.List());
        }
        finally
        {
            await File.WriteAllTextAsync(Path.Combine(DriverFolder, "bind"), name, CancellationToken.None);
        }

        // The nodes appear when the driver has asked the host for its devices.
        var deadline = Given.Deadline();
        while (DeviceNode.List().Count < 7)
        {
            await Task.Delay(20, deadline);
        }

        using var again = Given.Device();
        Assert.Equal(1u, again.Ping(Given.Ping(TestOperation.Count), deadline));

        // The callback of the instance that was lost still runs on the host.
        again.Ping(Given.Ping(TestOperation.Release, gate), deadline);
    }

    private static void CallForEver(ulong gate)
    {
        using var instance = new RawInstance();
        instance.Write(Given.Ping(TestOperation.Wait, gate));
        while (true)
        {
            Assert.False(instance.Call(Given.Ping(TestOperation.Echo), DriverInterface.LongestWait, out _));
        }
    }

    private static void WriteForEver(RawInstance instance, ulong gate)
    {
        instance.Write(Given.Ping(TestOperation.Wait, gate));
        while (true)
        {
            instance.Write(Given.Ping(TestOperation.Echo));
        }
    }
}
