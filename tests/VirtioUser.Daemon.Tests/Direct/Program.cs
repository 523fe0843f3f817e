// What a guest program does, straight through a daemon's socket.
using TestDevice.Dependency;
using VirtioUser.Daemon.Tests.Support;
using VirtioUser.Guest;

namespace VirtioUser.Daemon.Tests.Direct;

/// <summary>Short ways to devices and pings.</summary>
internal static class Program
{
    public static VirtioUserDevice Open(this DeviceSource source, uint device = TestDevices.Test) =>
        VirtioUserDevice.Open(TestDevices.Vendor, device, source: source);

    public static PingRequest Ping(TestOperation operation, ulong argument = 0) => new(TestDevices.Metadata(operation, argument));

    /// <summary>Pings and waits for the answer, without a token: so it allocates nothing.</summary>
    public static uint Call(this VirtioUserDevice device, PingRequest request) => device.Ping(request);

    /// <summary>Pings and waits for the answer.</summary>
    public static uint Call(this VirtioUserDevice device, TestOperation operation, ulong argument = 0) => device.Ping(Ping(operation, argument));

    /// <summary>Runs what may block on a thread of its own, and says so if it never ends.</summary>
    public static Task<T> Blocking<T>(Func<T> action) =>
        Task.Factory.StartNew(action, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).WaitAsync(Patience.Limit * 2);

    /// <summary>The same for what returns nothing.</summary>
    public static Task Blocking(Action action) => Blocking(() =>
    {
        action();
        return true;
    });

    /// <summary>Runs the same on many threads at once.</summary>
    public static Task OnThreads(int count, Action<int> action) =>
        Task.WhenAll(Enumerable.Range(0, count).Select(number => Blocking(() => action(number))));
}
