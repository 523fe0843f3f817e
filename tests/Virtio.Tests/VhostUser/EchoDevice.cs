// A device that sends back what it gets, and remembers what happened to it.
using System.Collections.Concurrent;
using Virtio.Linux;
using Virtio.Queues;
using Virtio.VhostUser;

namespace Virtio.Tests.VhostUser;

/// <summary>Two queues, each with a thread of its own, and a configuration space that counts up from 1.</summary>
internal class EchoDevice : BackEndDevice
{
    internal const int Queues = 2;

    private readonly Worker?[] _workers = new Worker?[Queues];

    /// <summary>What happened, in order. Wait for it with <see cref="BlockingCollection{T}.TryTake(out T, int)"/>.</summary>
    internal BlockingCollection<string> Events { get; } = [];

    internal List<SharedMemoryRegion?> Regions { get; } = [];

    /// <summary>The queue that started last.</summary>
    internal StartedQueue? LastStarted { get; private set; }

    public override int QueueCount => Queues;

    public override VirtioFeatures Features => (VirtioFeatures)1;

    public override int ConfigurationLength => 8;

    public override IReadOnlyList<SharedMemoryRegion?> SharedMemory => Regions;

    public override void ReadConfiguration(Span<byte> destination)
    {
        for (var i = 0; i < destination.Length; i++)
        {
            destination[i] = (byte)(i + 1);
        }
    }

    public override void Started(DeviceStart start) => Events.Add(start.Fresh ? "started fresh" : "started again");

    public override void QueueStarted(StartedQueue queue)
    {
        LastStarted = queue;
        _workers[queue.Index] = new Worker(queue);
        Events.Add($"queue {queue.Index} started");
    }

    public override void QueueStopping(int index)
    {
        _workers[index]!.Stop();
        _workers[index] = null;
        Events.Add($"queue {index} stopped");
    }

    public override void Stopped() => Events.Add("stopped");

    public override void MemoryChanging()
    {
        foreach (var worker in _workers)
        {
            worker?.Stop();
        }

        Events.Add("memory changing");
    }

    public override void MemoryChanged()
    {
        for (var i = 0; i < Queues; i++)
        {
            if (_workers[i] is { } worker)
            {
                _workers[i] = new Worker(worker.Queue);
            }
        }
        Events.Add("memory changed");
    }

    public override void SharedMemoryVisible(int region, ulong guestAddress) => Events.Add($"region {region} at 0x{guestAddress:x}");

    public override void SharedMemoryHidden(int region) => Events.Add($"region {region} hidden");

    public override void SharedMemoryMapped(int region) => Events.Add($"region {region} mapped");

    public override void SharedMemoryFailed(int region, Exception reason) => Events.Add($"region {region} failed: {reason.Message}");

    public override void MessageRefused(FrontEndRequest request, VhostUserException reason) => Events.Add($"refused: {reason.Message}");

    public override void Disconnected() => Events.Add("disconnected");

    private sealed class Worker
    {
        private readonly EventFd _stop = EventFd.Create();
        private readonly Thread _thread;

        internal Worker(StartedQueue queue)
        {
            Queue = queue;
            _thread = new Thread(Run);
            _thread.Start();
        }

        internal StartedQueue Queue { get; }

        internal void Stop()
        {
            _stop.Signal();
            _thread.Join();
            _stop.Dispose();
        }

        private void Run()
        {
            using var poll = new EventPoll();
            poll.Add(Queue.Kick.Descriptor, 0);
            poll.Add(_stop.Descriptor, 1);
            var ready = new ReadyDescriptor[2];
            var bytes = new byte[4096];
            try
            {
                while (!_stop.Wait(0))
                {
                    while (Queue.Queue.TryTake(out var chain))
                    {
                        var length = chain.CopyTo(bytes);
                        Queue.Queue.Return(chain.Head, (uint)chain.Write(bytes.AsSpan(0, length)));
                    }
                    if (Queue.Queue.MustCall())
                    {
                        Queue.Call.Signal();
                    }

                    if (!Queue.Queue.EnableKicks())
                    {
                        poll.Wait(ready);
                    }

                    Queue.Kick.TryConsume();
                }
            }
            catch (QueueException)
            {
                Queue.ReportError();
            }
        }
    }
}
