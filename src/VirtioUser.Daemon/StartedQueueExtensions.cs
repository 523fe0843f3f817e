// Calling the driver of a queue.
using Virtio.Queues;
using Virtio.VhostUser;

namespace VirtioUser.Daemon;

/// <summary>The one way in which the daemon's queues call the driver.</summary>
internal static class StartedQueueExtensions
{
    /// <summary>Calls the driver if it wants to know of what was returned. For the thread on the used side.</summary>
    public static void CallIfWanted(this StartedQueue started, QueueFaults faults)
    {
        if (started.Queue.IsBroken)
        {
            return; // without an exception each time: the guest decides how often this is tried
        }

        try
        {
            if (started.Queue.MustCall())
            {
                started.Call.Signal();
            }
        }
        catch (QueueException e)
        {
            faults.Report(started, e);
        }
    }
}
