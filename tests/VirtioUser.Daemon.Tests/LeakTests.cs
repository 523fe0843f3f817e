// What connections leave behind: nothing.
using TestDevice.Dependency;
using Virtio.Linux;
using VirtioUser.Daemon.Tests.Support;

namespace VirtioUser.Daemon.Tests;

public sealed class LeakTests : IDisposable
{
    private readonly SocketFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Connections_leave_no_descriptor_no_mapping_and_no_arena()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, "--device", BuildOutput.TestDevice);
        var descriptors = Rest(daemon);
        for (var i = 0; i < 20; i++)
        {
            UseOnce();
        }

        DaemonMemory.WaitForArenas(daemon.Id, 0);
        DaemonMemory.WaitForDescriptors(daemon.Id, descriptors);
        Assert.Equal(0, DaemonMemory.GuestMappings(daemon.Id));
    }

    [Fact]
    public async Task What_callbacks_still_use_goes_when_they_return()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, "--device", BuildOutput.TestDevice);
        var descriptors = Rest(daemon);
        var gate = Gates.New();
        for (var i = 0; i < 5; i++)
        {
            using var hung = TestDriver.Boot(_folder.SocketPath);
            var instance = hung.Create();
            hung.Send(instance, TestOperation.Wait, gate, shared: hung.Allocate(instance, 1 << 20));
            Assert.Equal(1u, hung.Call(hung.Create(), TestOperation.Echo, 1));
        }

        DaemonMemory.WaitForArenas(daemon.Id, 5);
        using (var driver = TestDriver.Boot(_folder.SocketPath))
        {
            Assert.Equal(1u, driver.Call(driver.Create(), TestOperation.Release, gate));
            DaemonMemory.WaitForArenas(daemon.Id, 1);
        }

        DaemonMemory.WaitForArenas(daemon.Id, 0);
        DaemonMemory.WaitForDescriptors(daemon.Id, descriptors);
    }

    /// <summary>
    /// Guards the bound of the first generation in the daemon's project file. The runtime lets it grow with the processor's cache before
    /// it collects, which takes hundreds of MiB where that is large: there such a daemon has 100 MiB more after these.
    /// </summary>
    [Fact]
    public async Task Many_connections_leave_little_memory_whether_they_end_or_die()
    {
        const long MostKiB = 56 << 10;
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, "--device", BuildOutput.TestDevice);
        var descriptors = Rest(daemon);
        var before = DaemonMemory.PrivateKiB(daemon.Id);

        Parallel.For(0, 1000, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = TestContext.Current.CancellationToken }, i =>
        {
            if (i % 2 == 0)
            {
                UseOnce();
                return;
            }

            using var driver = TestDriver.Boot(_folder.SocketPath);
            var instance = driver.Create();
            driver.Send(instance, TestOperation.Checksum, shared: driver.Allocate(instance, 1 << 20)); // whose answer nobody awaits
        });

        DaemonMemory.WaitForArenas(daemon.Id, 0);
        DaemonMemory.WaitForDescriptors(daemon.Id, descriptors);
        Assert.InRange(DaemonMemory.PrivateKiB(daemon.Id) - before, long.MinValue, MostKiB);
        await daemon.AssertStopsAsync();
    }

    /// <summary>How many descriptors a daemon has that was used; the runtime opens some at the first use of this and that.</summary>
    private int Rest(DaemonProcess daemon)
    {
        for (var i = 0; i < 3; i++)
        {
            UseOnce();
        }

        DaemonMemory.WaitForArenas(daemon.Id, 0); // the last thing that is given back
        return DaemonMemory.OpenDescriptors(daemon.Id);
    }

    private void UseOnce()
    {
        using (var driver = TestDriver.Boot(_folder.SocketPath))
        {
            var instance = driver.Create();
            driver.Call(instance, TestOperation.Fill, 1, driver.Allocate(instance, 4096));
        }

        using var silent = UnixSocket.Connect(_folder.SocketPath);
    }
}
