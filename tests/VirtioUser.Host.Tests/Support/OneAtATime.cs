// Notices when two threads are where only one may be.
using System.Collections.Concurrent;

namespace VirtioUser.Host.Tests.Support;

/// <summary>Part of a contract that the fake queues check: "one thread at a time".</summary>
internal sealed class OneAtATime(string what, ConcurrentQueue<string> faults)
{
    private int _inside;

    public void Enter()
    {
        if (Interlocked.Exchange(ref _inside, 1) != 0)
        {
            faults.Enqueue($"two threads in {what}");
        }
    }

    public void Leave() => Volatile.Write(ref _inside, 0);
}
