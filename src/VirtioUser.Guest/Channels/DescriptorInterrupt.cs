// An interrupt for waits in the kernel.
using Virtio.Linux;

namespace VirtioUser.Guest.Channels;

/// <summary>An eventfd that can still be signalled when it is gone. Thread-safe.</summary>
internal sealed class DescriptorInterrupt : Interrupt
{
    /// <summary>What the wait polls besides the device, and consumes when it was signalled.</summary>
    public EventFd EventFd { get; } = EventFd.Create();

    public override void Signal()
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

    public override void Dispose()
    {
        // The descriptor stays open until the wait that uses it is over.
        Signal();
        EventFd.Dispose();
    }
}
