// Waiting for one descriptor, with a way to end the wait (poll).
namespace Virtio.Linux;

internal static unsafe class DescriptorPoll
{
    /// <summary>Waits for <paramref name="events"/> on one descriptor, or until <paramref name="cancel"/> is signalled.</summary>
    /// <returns>What happened; nothing if the time ran out or the wait was cancelled. Allocates nothing.</returns>
    internal static PollEvents Wait(FileDescriptor descriptor, PollEvents events, int timeoutMilliseconds, EventFd? cancel)
    {
        var deadline = timeoutMilliseconds < 0 ? 0 : Environment.TickCount64 + timeoutMilliseconds;
        using var use = new DescriptorUse(descriptor);
        using var cancelUse = new DescriptorUse(cancel?.Descriptor ?? descriptor);
        var polled = stackalloc Native.PollFd[2];
        polled[0] = new Native.PollFd { Descriptor = use.Number, Events = (short)events, Returned = 0 };
        polled[1] = new Native.PollFd { Descriptor = cancelUse.Number, Events = (short)PollEvents.In, Returned = 0 };
        while (true)
        {
            var ready = Native.Poll(polled, cancel is null ? 1u : 2u, timeoutMilliseconds);
            if (ready >= 0)
            {
                var cancelled = cancel is not null && polled[1].Returned != 0;
                return cancelled ? PollEvents.None : (PollEvents)polled[0].Returned;
            }
            if (LinuxException.LastErrno != Errno.EINTR)
            {
                LinuxException.ThrowLast("poll");
            }

            if (timeoutMilliseconds > 0)
            {
                timeoutMilliseconds = (int)Math.Max(0, deadline - Environment.TickCount64);
            }
        }
    }
}
