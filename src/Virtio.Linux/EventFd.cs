// A counter that wakes whoever waits for it, in this process or another (eventfd).
using System.Globalization;

namespace Virtio.Linux;

/// <summary>
/// An eventfd, non-blocking: what vhost-user calls kick, call and error descriptors. All calls may come from any
/// thread; none allocates, except to throw.
/// </summary>
public sealed unsafe class EventFd : IDisposable
{
    private EventFd(FileDescriptor descriptor) => Descriptor = descriptor;

    /// <summary>The descriptor, for polling and for passing on. Owned by this object.</summary>
    public FileDescriptor Descriptor { get; }

    /// <summary>Makes a new eventfd with count 0.</summary>
    /// <exception cref="LinuxException">No descriptor is left.</exception>
    public static EventFd Create()
    {
        var number = Native.EventFd(0, Native.EFD_CLOEXEC | Native.EFD_NONBLOCK);
        if (number < 0)
        {
            LinuxException.ThrowLast("eventfd");
        }

        return new EventFd(new FileDescriptor(number));
    }

    /// <summary>Takes over a descriptor that came from elsewhere, and makes it non-blocking.</summary>
    /// <param name="descriptor">The descriptor; owned by the result, and disposed if this throws.</param>
    /// <exception cref="ArgumentException">The descriptor is no eventfd. A pipe or a file would let its sender block
    /// whoever signals.</exception>
    /// <exception cref="LinuxException">The descriptor cannot be examined.</exception>
    public static EventFd FromDescriptor(FileDescriptor descriptor)
    {
        ArgumentNullException.ThrowIfNull(descriptor);
        try
        {
            if (!IsEventFd(descriptor))
            {
                throw new ArgumentException("The descriptor is not an eventfd.", nameof(descriptor));
            }

            descriptor.SetNonBlocking(true);
            return new EventFd(descriptor);
        }
        catch
        {
            ForeignDescriptor.Close(descriptor);
            throw;
        }
    }

    /// <summary>
    /// Adds one to the count and wakes whoever waits. A count at its limit stays there, and is still a signal. Whoever
    /// shares the descriptor can make it blocking; then this waits at the limit until somebody consumes.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The eventfd is closed.</exception>
    /// <exception cref="LinuxException">The write failed.</exception>
    public void Signal()
    {
        ulong one = 1;
        while (Native.Write(Descriptor, &one, sizeof(ulong)) < 0)
        {
            var errno = LinuxException.LastErrno;
            if (errno == Errno.EAGAIN)
            {
                return;
            }

            if (errno != Errno.EINTR)
            {
                LinuxException.ThrowLast("write to an eventfd");
            }
        }
    }

    /// <summary>Takes the count and sets it to 0.</summary>
    /// <returns>Whether it was signalled since the last time.</returns>
    /// <exception cref="ObjectDisposedException">The eventfd is closed.</exception>
    /// <exception cref="LinuxException">The read failed.</exception>
    public bool TryConsume()
    {
        ulong count;
        // Not a plain read: whoever shares the descriptor can make that block, at any time (needs Linux 5.8).
        Native.IoVec vector = new() { Base = &count, Length = sizeof(ulong) };
        while (Native.ReadVector(Descriptor, &vector, 1, -1, Native.RWF_NOWAIT) < 0)
        {
            var errno = LinuxException.LastErrno;
            if (errno == Errno.EAGAIN)
            {
                return false;
            }

            if (errno != Errno.EINTR)
            {
                LinuxException.ThrowLast("preadv2 from an eventfd");
            }
        }
        return true;
    }

    /// <summary>Waits until it is signalled; the count stays as it is.</summary>
    /// <param name="timeoutMilliseconds">How long to wait; -1 = for ever, 0 = only look.</param>
    /// <returns>Whether it is signalled.</returns>
    /// <exception cref="LinuxException">The wait failed.</exception>
    public bool Wait(int timeoutMilliseconds = -1) =>
        DescriptorPoll.Wait(Descriptor, PollEvents.In, timeoutMilliseconds, null) != PollEvents.None;

    /// <summary>Closes the descriptor. A <see cref="Signal"/> that runs at this moment still finishes.</summary>
    public void Dispose() => Descriptor.Dispose();

    private static bool IsEventFd(FileDescriptor descriptor)
    {
        using var use = new DescriptorUse(descriptor);
        var path = string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{use.Number}");
        var target = stackalloc byte[64];
        var length = Native.ReadLink(path, target, 64);
        if (length < 0)
        {
            LinuxException.ThrowLast($"readlink {path}");
        }

        return new ReadOnlySpan<byte>(target, (int)length).SequenceEqual("anon_inode:[eventfd]"u8);
    }
}
