// A ping to a device in C allocates nothing in the daemon.
using NativeDevice;
using TestDevice.Dependency;
using VirtioUser.Daemon.Tests.Direct;
using VirtioUser.Daemon.Tests.Support;
using VirtioUser.Guest;

namespace VirtioUser.Daemon.Tests.Plugins;

public sealed class AllocationTests : IDisposable
{
    private const int WarmUp = 20_000;
    private const int Measured = 100_000;

    private readonly SocketFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>The runtime itself allocates a little now and then; an object for each ping, of 24 bytes at the least, would be 24 times the bound.</summary>
    [Theory]
    [InlineData("test_device_in_c", TestDevices.ManyVersionsInC)] // with the size
    [InlineData("mapping_device", TestDevices.Mapping)] // the bare draft
    [InlineData("answering_device", TestDevices.Answering, (ulong)AnsweringDevice.Operation.AtOnce << 56)]
    [InlineData("answering_device", TestDevices.Answering, (ulong)AnsweringDevice.Operation.Soon << 56)] // by another thread
    public async Task A_hundred_thousand_pings_allocate_less_than_a_byte_each(string library, uint number, ulong metadata = 0)
    {
        await using var daemon = await DaemonProcess.ListenAsync(
            _folder.SocketPath, "--device", await NativeDevices.GetAsync(library), "--device", BuildOutput.TestDevice);
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var probe = source.Open();
        using var device = source.Open(number);
        using var memory = device.Allocate(4096);
        var ping = new PingRequest(memory, 8, 16, number == TestDevices.ManyVersionsInC ? TestDevices.Metadata(TestOperation.Length) : metadata);
        void Ping(int count)
        {
            for (var i = 0; i < count; i++)
            {
                device.Call(ping);
            }
        }

        Ping(WarmUp);
        var before = probe.Call(TestOperation.Allocated);
        Ping(Measured);
        var allocated = (probe.Call(TestOperation.Allocated) - before) & 0x3FFF_FFFF;

        Assert.InRange(allocated, 0u, (uint)Measured);
    }
}
