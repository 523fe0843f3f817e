// An event queue that shows what is put into it.
using VirtioUser.Host.Events;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon.Trying;

/// <summary>The queue behind it, with a line for each event.</summary>
/// <param name="queue">The queue.</param>
/// <param name="trace">Where the lines go.</param>
internal sealed class TracedEventQueue(IEventQueue queue, Trace trace) : IEventQueue
{
    /// <inheritdoc/>
    public bool TryPut(in EventMessage message)
    {
        var put = queue.TryPut(in message);
        if (put)
        {
            trace.Event(in message);
        }

        return put;
    }

    /// <inheritdoc/>
    public void Signal() => queue.Signal();
}
