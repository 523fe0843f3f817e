// A ping queue that shows what is taken from it.
using VirtioUser.Host.Pings;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon.Trying;

/// <summary>The queue behind it, with a line for each ping.</summary>
/// <param name="queue">The queue.</param>
/// <param name="trace">Where the lines go.</param>
internal sealed class TracedPingQueue(IPingQueue queue, Trace trace) : IPingQueue
{
    /// <inheritdoc/>
    public bool HasNext => queue.HasNext;

    /// <inheritdoc/>
    public PingTake TryTake(ref PingMessage message, out ushort ticket)
    {
        var take = queue.TryTake(ref message, out ticket);
        if (take == PingTake.Taken)
        {
            trace.Ping(in message);
        }

        return take;
    }

    /// <inheritdoc/>
    public bool ArmKick() => queue.ArmKick();

    /// <inheritdoc/>
    public void Return(ushort ticket) => queue.Return(ticket);

    /// <inheritdoc/>
    public void FlushReturns() => queue.FlushReturns();
}
