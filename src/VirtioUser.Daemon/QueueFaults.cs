// What happens when a driver breaks its rings.
using Microsoft.Extensions.Logging;
using Virtio.Queues;
using Virtio.VhostUser;
using VirtioUser.Host;

namespace VirtioUser.Daemon;

/// <summary>Says once for each start that a queue is broken; nobody but that driver notices anything.</summary>
internal sealed class QueueFaults(ILogger<QueueFaults> logger, HostCounters counters) : IDisposable
{
    private readonly GuestLog _guestLog = new(logger);
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
        if (_guestLog.Allows(out var log))
        {
            Log.QueueBroken(log, queue.Index, fault.Message);
        }

        queue.ReportError();
    }

    /// <inheritdoc/>
    public void Dispose() => _guestLog.Dispose();
}
