// Anonymous shared memory that can be passed to another process (memfd_create).
namespace Virtio.Linux;

/// <summary>Makes and shapes memfds. All calls may come from any thread.</summary>
public static class MemFd
{
    /// <summary>
    /// Makes a sparse memfd: it takes memory only where it is touched, and reads zero elsewhere.
    /// </summary>
    /// <param name="name">Shown in <c>/proc/PID/maps</c>; need not be unique.</param>
    /// <param name="size">Size in bytes.</param>
    /// <param name="seals">What nobody may do to it any more, the caller included. Sealing against
    /// <see cref="Seals.Shrink"/> is what saves everyone who maps it from SIGBUS.</param>
    /// <returns>The descriptor; the caller owns it.</returns>
    /// <exception cref="LinuxException">A system call failed.</exception>
    public static FileDescriptor Create(string name, ulong size, Seals seals = Seals.Grow | Seals.Shrink)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, (ulong)long.MaxValue);
        var number = Native.MemFdCreate(name, Native.MFD_CLOEXEC | Native.MFD_ALLOW_SEALING);
        if (number < 0)
        {
            LinuxException.ThrowLast("memfd_create");
        }

        var descriptor = new FileDescriptor(number);
        try
        {
            if (Native.FTruncate(descriptor, (long)size) < 0)
            {
                LinuxException.ThrowLast("ftruncate");
            }

            if (seals != Seals.None && Native.FCntl(descriptor, Native.F_ADD_SEALS, (nint)seals) < 0)
            {
                LinuxException.ThrowLast("fcntl F_ADD_SEALS");
            }

            return descriptor;
        }
        catch
        {
            descriptor.Dispose();
            throw;
        }
    }

    /// <summary>The seals that a file has; <see cref="Seals.None"/> also for a file of a kind that cannot have any.</summary>
    /// <exception cref="LinuxException">The descriptor cannot be asked.</exception>
    public static Seals GetSeals(FileDescriptor descriptor)
    {
        var seals = Native.FCntl(descriptor, Native.F_GET_SEALS, 0);
        if (seals >= 0)
        {
            return (Seals)seals;
        }

        if (LinuxException.LastErrno != Errno.EINVAL)
        {
            LinuxException.ThrowLast("fcntl F_GET_SEALS");
        }

        return Seals.None;
    }

    /// <summary>
    /// Gives the memory of a range back to the system. The range reads zero from then on, in every mapping of it.
    /// </summary>
    /// <param name="descriptor">The memfd.</param>
    /// <param name="offset">First byte.</param>
    /// <param name="length">Length in bytes. Pages that lie only partly in the range are zeroed there and kept.</param>
    /// <exception cref="LinuxException">A system call failed, for example on a file that is sealed against writing.</exception>
    public static void PunchHole(FileDescriptor descriptor, ulong offset, ulong length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, (ulong)long.MaxValue);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, (ulong)long.MaxValue - offset);
        while (Native.FAllocate(descriptor, Native.FALLOC_FL_PUNCH_HOLE | Native.FALLOC_FL_KEEP_SIZE, (long)offset, (long)length) < 0)
        {
            if (LinuxException.LastErrno != Errno.EINTR)
            {
                LinuxException.ThrowLast("fallocate FALLOC_FL_PUNCH_HOLE");
            }
        }
    }
}
