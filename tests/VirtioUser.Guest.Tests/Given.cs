// What the tests begin with.
using TestDevice.Dependency;
using VirtioUser.Protocol;
using Xunit;

namespace VirtioUser.Guest.Tests;

/// <summary>Short ways to devices and pings.</summary>
internal static class Given
{
    /// <summary>Marks tests that need more than an open device, and so do not run without a VM, straight through a daemon's socket.</summary>
    public const string Needs = "needs";

    /// <summary>A value of <see cref="Needs"/>: the test is about the kernel driver's own face.</summary>
    public const string Driver = "driver";

    /// <summary>
    /// A value of <see cref="Needs"/>: several processes use the devices at the same time. A daemon serves one front-end,
    /// so that without a driver between them only one process can.
    /// </summary>
    public const string Processes = "processes";

    /// <summary>How long anything may take before it counts as hanging. Nothing is measured by it.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private static ulong s_gate = (ulong)Environment.ProcessId << 24;

    /// <summary>Opens the device that does what it is told.</summary>
    public static VirtioUserDevice Device(uint device = TestDevices.Test) => VirtioUserDevice.Open(TestDevices.Vendor, device);

    /// <summary>The node of that device.</summary>
    public static DeviceNode Node(uint device = TestDevices.Test) => DeviceNode.Find(TestDevices.Vendor, device);

    /// <summary>A name that no other gate has.</summary>
    public static ulong Gate() => Interlocked.Increment(ref s_gate);

    /// <summary>A ping without memory.</summary>
    public static PingRequest Ping(TestOperation operation, ulong argument = 0) => new(TestDevices.Metadata(operation, argument));

    /// <summary>A ping about a whole object.</summary>
    public static PingRequest Ping(SharedObject memory, TestOperation operation, ulong argument = 0) =>
        new(memory, TestDevices.Metadata(operation, argument));

    /// <summary>Ends with the test, or when it hangs.</summary>
    public static CancellationToken Deadline()
    {
        var source = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        source.CancelAfter(Patience);
        return source.Token;
    }

    /// <summary>Runs what may block on a thread of its own.</summary>
    public static Task<T> Blocking<T>(Func<T> action) =>
        Task.Factory.StartNew(action, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).WaitAsync(Patience);

    /// <summary>Whether touching the first byte of shared memory faults, found out by the kernel: a system call fails where a program would end.</summary>
    public static bool Faults(Virtio.Linux.Mapping mapping, ulong offset = 0)
    {
        var path = Path.GetTempFileName();
        try
        {
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write);
            RandomAccess.Write(file, mapping.GetSpan(offset, 1), 0);
            return false;
        }
        catch (IOException e) when (e.Message.Contains("Bad address", StringComparison.Ordinal))
        {
            return true;
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>The own event that the device numbered so, as the driver shows it.</summary>
    public static uint OwnEvent(uint number) => Revents.Unsolicited | number;
}
