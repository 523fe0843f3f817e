// Pings that are sent as others come back.
using VirtioUser.Guest;

namespace VirtioUser.Benchmarks.Measuring;

/// <summary>Keeps some pings in flight for each of some instances, from its making to its disposal.</summary>
internal sealed class ClosedLoop : IAsyncDisposable
{
    /// <summary>How many pings each instance has in flight.</summary>
    public const int InFlight = 4;

    private readonly VirtioUserDevice[] _devices;
    private readonly Task[] _loops;
    private long _done;
    private volatile bool _stop;

    /// <summary>Opens the instances and begins.</summary>
    /// <param name="source">Where the device is.</param>
    /// <param name="instances">How many.</param>
    /// <param name="microseconds">How long each callback takes, in processor time.</param>
    public ClosedLoop(DeviceSource source, int instances, int microseconds)
    {
        Microseconds = microseconds;
        _devices = [.. Enumerable.Range(0, instances).Select(_ => VirtioUserDevice.Open(BenchmarkDevices.Vendor, BenchmarkDevices.Spin, source: source))];
        _loops = [.. _devices.SelectMany(device => Enumerable.Range(0, InFlight).Select(_ => PingAsync(device)))];
    }

    /// <summary>How long each callback takes, in processor time.</summary>
    public int Microseconds { get; }

    /// <summary>How many pings have been answered so far.</summary>
    /// <exception cref="InvalidOperationException">A ping failed: the loop is not whole any more.</exception>
    public long Done => Array.Find(_loops, loop => loop.IsFaulted) is { } failed
        ? throw new InvalidOperationException("A ping failed.", failed.Exception)
        : Interlocked.Read(ref _done);

    /// <summary>Waits for what is in flight, and closes the instances.</summary>
    public async ValueTask DisposeAsync()
    {
        _stop = true;
        await Task.WhenAll(_loops).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Array.ForEach(_devices, device => device.Dispose());
    }

    private async Task PingAsync(VirtioUserDevice device)
    {
        PingRequest request = new((ulong)Microseconds);
        while (!_stop)
        {
            await device.PingAsync(request).ConfigureAwait(false);
            Interlocked.Increment(ref _done);
        }
    }
}
