// One device in three languages: the guest can not tell which one it has.
using NativeDevice;
using TestDevice.Dependency;
using VirtioUser.Daemon.Tests.Direct;
using VirtioUser.Daemon.Tests.Support;
using VirtioUser.Guest;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon.Tests.Plugins;

public sealed class SameResultsTests : IDisposable
{
    private const uint Device = TestDevices.ManyVersions;

    private readonly SocketFolder _folder = new();

    public static TheoryData<string> Languages => ["C#", "C", "C++"];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task Pings_get_the_same_answers_and_find_the_same_bytes(string language)
    {
        await using var daemon = await ListenAsync(language);
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        Assert.Equal([2, 3, 4], source.List().Where(node => node.Identity.Device == Device).Select(node => node.Identity.Version));
        using var device = source.Open(Device);

        SameResults.AssertPings(device);

        await daemon.AssertStopsAsync();
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task Events_come_from_another_thread_in_order(string language)
    {
        await using var daemon = await ListenAsync(language);
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var device = source.Open(Device);
        using var other = source.Open(Device);

        SameResults.AssertEvents(device, other);
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task Each_version_that_the_device_lists_can_be_opened_and_no_other(string language)
    {
        await using var daemon = await ListenAsync(language);
        using var driver = TestDriver.Boot(_folder.SocketPath);
        foreach (var version in new[] { 2u, 3u, 4u })
        {
            var reply = driver.AskToCreate(Device, version);
            Assert.Equal((ConfigError.None, version), (reply.Error, reply.FirstDevice.Version));
            Assert.Equal(version, driver.Call(reply.InstanceHandle, TestOperation.Version));
        }

        var list = driver.Ask(ConfigOperation.EnumerateDevices);
        Assert.Equal([2, 3, 4], Enumerable.Range(0, (int)list.DeviceCount).Where(i => list.Devices[i] == Device).Select(i => list.Versions[i]));
        Assert.Equal("no version 1, there are 2, 3, 4", driver.AskToCreate(Device, 1).Reason.ToString());
        Assert.Equal(ConfigError.InstanceCreationFailed, driver.AskToCreate(Device, 5).Error);
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task Order_is_kept_in_an_instance_and_a_slow_one_holds_nobody_up(string language)
    {
        await using var daemon = await ListenAsync(language);
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var slow = source.Open(Device);
        var gate = Gates.New();
        var waiting = slow.PingAsync(Program.Ping(TestOperation.Wait, gate), TestContext.Current.CancellationToken);
        var behind = slow.PingAsync(Program.Ping(TestOperation.Count), TestContext.Current.CancellationToken);

        await Program.OnThreads(4, _ =>
        {
            using var device = source.Open(Device);
            for (var i = 1u; i <= 500; i++)
            {
                Assert.Equal(i, device.Call(TestOperation.Count));
            }
        });
        Assert.False(waiting.IsCompleted || behind.IsCompleted);
        using var other = source.Open(Device);
        Assert.Equal(1u, other.Call(TestOperation.Release, gate));

        Assert.Equal(1u, await waiting);
        Assert.Equal(2u, await behind);
    }

    private async Task<DaemonProcess> ListenAsync(string language)
    {
        var file = language switch
        {
            "C#" => BuildOutput.TestDevice,
            "C" => await NativeDevices.GetAsync("test_device"),
            _ => await NativeDevices.GetCppAsync(),
        };
        Assert.SkipWhen(file is null, $"There is no compiler for {language} on this machine.");
        return await DaemonProcess.ListenAsync(_folder.SocketPath, "--device", file!, "--device", BuildOutput.SecondDevice);
    }
}
