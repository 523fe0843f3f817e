// Threads on which closing a socket may take as long as it does.
namespace Virtio.Linux;

/// <summary>
/// Closes sockets that an untrusted process has made or filled. Asking, emptying or closing one can wait: for a lock that
/// somebody who shares it holds, for bytes that linger. So none of that happens on a thread that others wait for.
/// </summary>
internal static class SocketCloser
{
    private const int MaximumThreads = 16;

    private static readonly TimeSpan IdleTime = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(100);
    private static readonly object Gate = new();

    // All of these under the gate. A thread that waits for work counts as idle until it has taken some.
    private static readonly Queue<(FileDescriptor Descriptor, CountdownEvent? Batch)> Due = new();
    private static int s_threads, s_idle;

    /// <summary>Has a socket closed soon. Does not wait.</summary>
    /// <param name="descriptor">The socket; owned.</param>
    /// <param name="batch">Is signalled when the socket is closed.</param>
    internal static void Post(FileDescriptor descriptor, CountdownEvent? batch = null)
    {
        lock (Gate)
        {
            Due.Enqueue((descriptor, batch));
            if (Due.Count <= s_idle)
            {
                Monitor.Pulse(Gate);
                return;
            }

            if (s_threads == MaximumThreads)
            {
                return;
            }

            s_threads++;
        }

        try
        {
            new Thread(Main) { IsBackground = true, Name = "socket closer" }.Start();
        }
        catch (OutOfMemoryException)
        {
            // The system has no thread left; another thread, or the next one who comes, finds the socket.
            lock (Gate)
            {
                s_threads--;
            }
        }
    }

    /// <summary>Waits until the sockets of a batch are closed, but not for long: what takes longer is nobody's concern but their maker's.</summary>
    /// <param name="batch">Has one count more than sockets. Not to be disposed of: who closes may signal later.</param>
    internal static void WaitBriefly(CountdownEvent batch)
    {
        batch.Signal();
        batch.Wait(Patience);
    }

    /// <summary>Whether every socket that was posted is closed: for who counts what is open.</summary>
    internal static bool IsIdle
    {
        get
        {
            lock (Gate)
            {
                return Due.Count == 0 && s_threads == s_idle;
            }
        }
    }

    private static void Main()
    {
        while (TryTake(out var descriptor, out var batch))
        {
            ForeignDescriptor.CloseNow(descriptor, depth: 0);
            batch?.Signal();
        }
    }

    private static bool TryTake(out FileDescriptor descriptor, out CountdownEvent? batch)
    {
        lock (Gate)
        {
            while (Due.Count == 0)
            {
                s_idle++;
                var pulsed = Monitor.Wait(Gate, IdleTime);
                s_idle--;
                if (!pulsed && Due.Count == 0)
                {
                    s_threads--;
                    (descriptor, batch) = (null!, null);
                    return false;
                }
            }

            (descriptor, batch) = Due.Dequeue();
            return true;
        }
    }
}
