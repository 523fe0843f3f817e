// Our side of the comparisons: pings over a daemon's socket.
using VirtioUser.Benchmarks.Measuring;
using VirtioUser.Benchmarks.Processes;
using VirtioUser.Guest;

namespace VirtioUser.Benchmarks.Groups;

/// <summary>Opens benchmark devices, and makes round trips with them.</summary>
internal static class Pings
{
    /// <summary>The project with the echo device.</summary>
    public const string EchoProject = "EchoDevice";

    /// <summary>Opens one of the benchmarks' own devices.</summary>
    public static VirtioUserDevice Open(DeviceSource source, uint device) => VirtioUserDevice.Open(BenchmarkDevices.Vendor, device, source: source);

    /// <summary>A contender that pings the echo device of a daemon of its own and waits for each answer.</summary>
    /// <param name="name">What people see.</param>
    /// <param name="pollTime">How long both sides poll before they sleep.</param>
    public static async Task<Contender> StartEchoAsync(string name, TimeSpan pollTime)
    {
        var daemon = await ServerProcess.StartDaemonAsync(pollTime, EchoProject);
        var source = DeviceSource.Daemon(daemon.SocketPath, pollTime);
        var device = Open(source, BenchmarkDevices.Echo);
        return new RoundTripContender(name, EchoOver(device), [daemon.Id], device, source, daemon);
    }

    /// <summary>One round trip with a device that echoes; allocates nothing.</summary>
    public static Action EchoOver(VirtioUserDevice device)
    {
        uint number = 0;
        return () =>
        {
            number = (number + 1) & 0xffff;
            Check(device.Ping(new PingRequest(number)), number);
        };
    }

    /// <summary>What came back must be what was sent: nothing else is worth measuring.</summary>
    public static void Check(uint answer, uint expected)
    {
        if (answer != expected)
        {
            throw new InvalidOperationException($"The answer is {answer} and not {expected}.");
        }
    }
}
