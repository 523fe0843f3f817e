// What the leader does when there is no ping.
using System.Diagnostics;

namespace VirtioUser.Host.Pings;

internal sealed partial class PingPump
{
    // How often the leader looks for a ping before it looks at the clock.
    private const int LooksAtATime = 16;

    private readonly PollBudget _poll;

    /// <summary>Nothing is there to take: polls as long as that pays, then sleeps.</summary>
    private void Idle(IPingQueue queue)
    {
        if (SignalHeld())
        {
            return;
        }

        var began = _poll.Enabled ? Stopwatch.GetTimestamp() : 0;
        if (_poll.Ticks > 0 && Poll(ref queue, began))
        {
            return;
        }

        _done.Flush();
        if (!queue.ArmKick())
        {
            return;
        }

        Sleep();
        if (_poll.Enabled && TryGetQueue(out var next) && next.HasNext)
        {
            _poll.NoteWait(Stopwatch.GetTimestamp() - began);
        }
    }

    /// <summary>Looks for a ping again and again for a bounded time.</summary>
    /// <param name="queue">The queue; the one that is attached then, if this returns false.</param>
    /// <param name="began">When the leader found nothing.</param>
    /// <returns>Whether there may be something to do.</returns>
    private bool Poll(ref IPingQueue queue, long began)
    {
        do
        {
            for (var i = 0; i < LooksAtATime; i++)
            {
                if (_events.IsBlocked)
                {
                    PumpEvents();
                }

                if (_leadership.Stopping || !TryGetQueue(out var present))
                {
                    return true;
                }

                queue = present;
                if (queue.HasNext)
                {
                    _counters.AddAlone(Counter.PollHits);
                    return true;
                }

                Thread.SpinWait(1);
            }

            _done.Flush(); // not before the first looks: the next ping may be near, and this takes as long as it does
        }
        while (Stopwatch.GetTimestamp() - began < _poll.Ticks);
        _counters.AddAlone(Counter.PollMisses);
        return false;
    }

    private void Sleep()
    {
        _counters.AddAlone(Counter.Sleeps);
        _leadership.EndWork();
        _waiter.Wait();
        _events.Pump();
        _leadership.BeginWork();
    }

    /// <summary>Tries again to send events.</summary>
    private void PumpEvents()
    {
        // Not at work: to tell the guest of events can take as long as their queue is there, and that queue may be
        // taken away after this one.
        _leadership.EndWork();
        _events.Pump();
        _leadership.BeginWork();
    }
}
