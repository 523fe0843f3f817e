// What happens when a driver breaks its rings.
using Microsoft.Extensions.Logging;
using Virtio.Queues;
using Virtio.VhostUser;
using VirtioUser.Host;

namespace VirtioUser.Daemon;

/// <summary>Says once for each start that a queue is broken; nobody but that driver notices anything.</summary>
internal sealed class QueueFaults(ILogger<QueueFaults> logger, GuestLog guestLog, HostCounters counters)
{
    private readonly ILogger _guestLogger = guestLog.For(logger);
    private readonly StartedQueue?[] _reported = new StartedQueue?[Protocol.Limits.QueueCount];

    /// <summary>A queue threw. Any thread.</summary>
    /// <param name="queue">The queue; it stays broken until the driver starts again.</param>
    /// <param name="fault">What was wrong.</param>
    public void Report(StartedQueue queue, QueueException fault)
    {
        if (Interlocked.Exchange(ref _reported[queue.Index], queue) == queue)
        {
            return;
        }

        counters.Add(Counter.MessagesRejected);
        Log.QueueBroken(_guestLogger, queue.Index, fault.Message);
        queue.ReportError();
    }
}
