// How the thread that leads the ping queue sleeps.
namespace VirtioUser.Host.Pings;

/// <summary>A transport's way to wait for the guest. Lives as long as the host, whatever queue is attached.</summary>
public interface IQueueWaiter
{
    /// <summary>
    /// Blocks until the guest kicks the ping or the event queue, or <see cref="Wake"/> is called; a call
    /// of <see cref="Wake"/> that came before counts. May return for nothing. One thread at a time.
    /// </summary>
    void Wait();

    /// <summary>Ends one wait. Any thread.</summary>
    void Wake();
}
