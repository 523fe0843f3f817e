// Locks that an interrupted thread takes all the same.
namespace VirtioUser.Guest;

/// <summary>
/// Enters locks for a short time, without <see cref="Thread.Interrupt"/> getting in between: what a thread has begun (an event
/// taken from the ring, its turn to receive or to send) it also ends, so that the others of the instance go on. An interrupt that comes
/// meanwhile takes effect at the thread's next wait. Only where a caller waits for the device, in <see cref="Monitor.Wait(object)"/>
/// and the like, an interrupt ends the call.
/// </summary>
internal static class Gate
{
    /// <summary>Enters a lock.</summary>
    /// <returns>To be disposed of, to leave it.</returns>
    public static Held Enter(object gate) => Monitor.TryEnter(gate) ? new Held(gate, interrupted: false) : EnterContended(gate);

    /// <summary>Gives a semaphore's count back.</summary>
    public static void Release(SemaphoreSlim semaphore)
    {
        var interrupted = false;
        while (true)
        {
            try
            {
                semaphore.Release();
                break;
            }
            catch (ThreadInterruptedException)
            {
                interrupted = true; // thrown on the way into its lock, so nothing has happened
            }
        }

        if (interrupted)
        {
            Thread.CurrentThread.Interrupt();
        }
    }

    private static Held EnterContended(object gate)
    {
        var interrupted = false;
        while (true)
        {
            try
            {
                Monitor.Enter(gate);
                return new Held(gate, interrupted);
            }
            catch (ThreadInterruptedException)
            {
                interrupted = true;
            }
        }
    }

    /// <summary>A lock that this thread is in.</summary>
    public readonly ref struct Held(object gate, bool interrupted)
    {
        /// <summary>Leaves it.</summary>
        public void Dispose()
        {
            Monitor.Exit(gate);
            if (interrupted)
            {
                Thread.CurrentThread.Interrupt();
            }
        }
    }
}
