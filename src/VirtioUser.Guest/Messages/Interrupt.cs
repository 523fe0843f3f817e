// Ends a wait for the device from another thread.
using Virtio.Linux;

namespace VirtioUser.Guest.Messages;

/// <summary>An eventfd that can still be signalled when it is gone. Thread-safe.</summary>
internal sealed class Interrupt : IDisposable
{
    /// <summary>What the wait looks at.</summary>
    public EventFd EventFd { get; } = EventFd.Create();

    /// <summary>Ends the wait that is under way, or else the next one.</summary>
    public void Signal()
    {
        try
        {
            EventFd.Signal();
        }
        catch (ObjectDisposedException)
        {
            // Dispose has woken everybody.
        }
    }

    /// <summary>Ends the wait that is under way. Later ones fail with <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose()
    {
        // The descriptor stays open until the wait that uses it is over.
        Signal();
        EventFd.Dispose();
    }
}
