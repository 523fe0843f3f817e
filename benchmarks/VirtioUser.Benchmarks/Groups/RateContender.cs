// Pings a second.
using System.Diagnostics;
using VirtioUser.Benchmarks.Measuring;
using VirtioUser.Guest;

namespace VirtioUser.Benchmarks.Groups;

/// <summary>Each instance is worked by a thread, which sends some pings at once and waits for all of their answers.</summary>
internal sealed class RateContender(string name, DeviceSource source, int server, int instances, int inFlight) : Contender(name)
{
    private readonly VirtioUserDevice[] _devices = [.. Enumerable.Range(0, instances).Select(_ => Pings.Open(source, BenchmarkDevices.Echo))];

    public override IReadOnlyList<int> Others => [server];

    public override Task<Sample> MeasureAsync(TimeSpan turn)
    {
        long operations = 0;
        var before = CpuTime.WithOwn(server);
        var watch = Stopwatch.StartNew();
        List<Exception> failures = [];
        Thread[] threads = [.. _devices.Select(device => new Thread(() => Work(device)))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        var elapsed = watch.Elapsed;
        return failures.Count == 0
            ? Task.FromResult(new Sample(operations / elapsed.TotalSeconds, null, CpuTime.WithOwn(server) - before, operations))
            : throw new AggregateException(failures);

        void Work(VirtioUserDevice device)
        {
            try
            {
                Interlocked.Add(ref operations, Send(device, watch, turn));
            }
            catch (Exception e)
            {
                lock (failures)
                {
                    failures.Add(e);
                }
            }
        }
    }

    public override ValueTask DisposeAsync()
    {
        Array.ForEach(_devices, device => device.Dispose());
        return ValueTask.CompletedTask;
    }

    private long Send(VirtioUserDevice device, Stopwatch watch, TimeSpan turn)
    {
        PingRequest[] requests = [.. Enumerable.Range(1, inFlight).Select(number => new PingRequest((ulong)number))];
        var answers = new uint[inFlight];
        long operations = 0;
        for (; watch.Elapsed < turn; operations += inFlight)
        {
            device.Ping(requests, answers);
            Pings.Check(answers[^1], (uint)inFlight);
        }

        return operations;
    }
}
