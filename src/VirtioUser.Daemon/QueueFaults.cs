// What happens when a driver breaks its rings.
using Microsoft.Extensions.Logging;
using Virtio.Queues;
using Virtio.VhostUser;
using VirtioUser.Host;
using VirtioUser.Host.Workers;

namespace VirtioUser.Daemon;

/// <summary>Says once for each start that a queue is broken; nobody but that driver notices anything. Any thread.</summary>
internal sealed class QueueFaults(ILogger<QueueFaults> logger, GuestLog guestLog, HostCounters counters, WorkerPool workers)
{
    private readonly ILogger _guestLogger = guestLog.For(logger);
    private readonly StartedQueue?[] _reported = new StartedQueue?[Protocol.Limits.QueueCount];

    /// <summary>A queue threw. Waits for nothing: whoever calls may hold the queue.</summary>
    /// <param name="queue">The queue; it stays broken until the driver starts again.</param>
    /// <param name="fault">What was wrong.</param>
    public void Report(StartedQueue queue, QueueException fault)
    {
        if (Interlocked.Exchange(ref _reported[queue.Index], queue) != queue)
        {
            counters.Add(Counter.MessagesRejected);
            workers.Post(new FaultReport(this, queue, fault.Message));
        }
    }

    /// <summary>Whether the driver wants to be called for what was returned. For the one who may touch the used side.</summary>
    public bool MustCall(StartedQueue started)
    {
        if (started.Queue.IsBroken)
        {
            return false; // without an exception each time: the guest decides how often this is tried
        }

        try
        {
            return started.Queue.MustCall();
        }
        catch (QueueException e)
        {
            Report(started, e);
            return false;
        }
    }

    /// <summary>Tells the log and the front-end, which can make that take as long as it likes.</summary>
    private sealed class FaultReport(QueueFaults faults, StartedQueue queue, string message) : IWork
    {
        public void Run()
        {
            Log.QueueBroken(faults._guestLogger, queue.Index, message);
            queue.ReportError();
        }
    }
}
