// What connections leave behind: nothing.
using TestDevice.Dependency;
using VirtioUser.Daemon.Tests.Support;

namespace VirtioUser.Daemon.Tests;

public sealed class LeakTests : IDisposable
{
    private readonly SocketFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Connections_leave_no_descriptor_and_no_mapping()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, "--device", BuildOutput.TestDevice);
        var sockets = DaemonMemory.Sockets(daemon.Id);
        UseOnce();
        await DaemonMemory.WaitForNoConnectionAsync(daemon.Id, sockets);
        var descriptors = DaemonMemory.OpenDescriptors(daemon.Id);
        for (var i = 0; i < 20; i++)
        {
            UseOnce();
        }

        await DaemonMemory.WaitForNoConnectionAsync(daemon.Id, sockets);

        Assert.Equal(descriptors, DaemonMemory.OpenDescriptors(daemon.Id));
        Assert.Equal(0, DaemonMemory.GuestMappings(daemon.Id));
        await DaemonMemory.WaitForEmptyArenaAsync(daemon.Id);
    }

    private void UseOnce()
    {
        using var driver = TestDriver.Boot(_folder.SocketPath);
        var instance = driver.Create();
        driver.Call(instance, TestOperation.Fill, 1, driver.Allocate(instance, 4096));
    }
}
