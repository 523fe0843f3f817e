// Pings that are sent as others come back.
using VirtioUser.Guest;

namespace VirtioUser.Benchmarks.Measuring;

/// <summary>Keeps some pings in flight for each of some instances, from its making to its disposal.</summary>
/// <remarks>
/// Two threads for each instance, each with half of the pings: while one is told of its answers, the other half keeps the
/// instance at work. Awaiting the answers took more processor time, and not the same in each run.
/// </remarks>
internal sealed class ClosedLoop : IDisposable
{
    private const int ThreadsEach = 2;
    private const int PingsOfThread = 2;

    private readonly VirtioUserDevice[] _devices;
    private readonly Thread[] _threads;
    private readonly PingRequest[] _requests;
    private Exception? _failure;
    private long _done;
    private volatile bool _stop;

    /// <summary>Opens the instances and begins.</summary>
    /// <param name="source">Where the device is.</param>
    /// <param name="instances">How many.</param>
    /// <param name="microseconds">How long each callback takes, in processor time.</param>
    public ClosedLoop(DeviceSource source, int instances, int microseconds)
    {
        Microseconds = microseconds;
        _requests = [.. Enumerable.Repeat(new PingRequest((ulong)microseconds), PingsOfThread)];
        _devices = [.. Enumerable.Range(0, instances).Select(_ => VirtioUserDevice.Open(BenchmarkDevices.Vendor, BenchmarkDevices.Spin, source: source))];
        _threads = [.. _devices.SelectMany(device => Enumerable.Range(0, ThreadsEach).Select(_ => new Thread(() => Work(device))))];
        Array.ForEach(_threads, thread => thread.Start());
    }

    /// <summary>How long each callback takes, in processor time.</summary>
    public int Microseconds { get; }

    /// <summary>How many pings have been answered so far.</summary>
    /// <exception cref="InvalidOperationException">A ping failed: the loop is not whole any more.</exception>
    public long Done => Volatile.Read(ref _failure) is { } failure
        ? throw new InvalidOperationException("A ping failed.", failure)
        : Interlocked.Read(ref _done);

    /// <summary>Waits for what is in flight, and closes the instances.</summary>
    public void Dispose()
    {
        _stop = true;
        Array.ForEach(_threads, thread => thread.Join());
        Array.ForEach(_devices, device => device.Dispose());
    }

    private void Work(VirtioUserDevice device)
    {
        var answers = new uint[PingsOfThread];
        try
        {
            while (!_stop)
            {
                device.Ping(_requests, answers);
                foreach (var answer in answers)
                {
                    Groups.Pings.Check(answer, (uint)Microseconds);
                }

                Interlocked.Add(ref _done, PingsOfThread);
            }
        }
        catch (Exception e)
        {
            Volatile.Write(ref _failure, e);
        }
    }
}
