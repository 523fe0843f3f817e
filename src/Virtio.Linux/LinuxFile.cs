// Character devices: open, ioctl, read, write, poll.
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace Virtio.Linux;

/// <summary>
/// An open device file. Calls may come from any thread. What succeeds allocates nothing; interrupted calls are
/// repeated.
/// </summary>
public sealed unsafe class LinuxFile : IDisposable
{
    private LinuxFile(FileDescriptor descriptor, string path)
    {
        Descriptor = descriptor;
        Path = path;
    }

    /// <summary>The descriptor, for mapping and polling. Owned by this object.</summary>
    public FileDescriptor Descriptor { get; }

    /// <summary>The path that was opened; named in exceptions.</summary>
    public string Path { get; }

    /// <summary>Opens a file for reading and writing.</summary>
    /// <param name="path">The path.</param>
    /// <param name="nonBlocking">Whether calls fail with <see cref="Errno.EAGAIN"/> where they would block.</param>
    /// <exception cref="LinuxException">It cannot be opened; the error number says why.</exception>
    public static LinuxFile Open(string path, bool nonBlocking = false)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var flags = Native.O_RDWR | Native.O_CLOEXEC | (nonBlocking ? Native.O_NONBLOCK : 0);
        int number;
        while ((number = Native.Open(path, flags, 0)) < 0)
        {
            if (LinuxException.LastErrno != Errno.EINTR)
            {
                LinuxException.ThrowLast($"open {path}");
            }
        }
        return new LinuxFile(new FileDescriptor(number), path);
    }

    /// <summary>Makes an ioctl whose argument is a structure.</summary>
    /// <param name="request">The request number, which holds the structure's size.</param>
    /// <param name="argument">The structure: read, and written if the request says so.</param>
    /// <returns>What the ioctl returned, 0 or more.</returns>
    /// <exception cref="ArgumentException">The structure is smaller than the request says.</exception>
    /// <exception cref="LinuxException">The ioctl failed.</exception>
    public int Ioctl(uint request, Span<byte> argument)
    {
        if (!TryIoctl(request, argument, out var result))
        {
            Throw("ioctl", Errno.EAGAIN);
        }

        return result;
    }

    /// <inheritdoc cref="Ioctl(uint, Span{byte})"/>
    public int Ioctl<T>(uint request, ref T argument) where T : unmanaged =>
        Ioctl(request, MemoryMarshal.AsBytes(new Span<T>(ref argument)));

    /// <summary>The same, for files opened non-blocking: no exception where the call would block.</summary>
    /// <param name="request">The request number, which holds the structure's size.</param>
    /// <param name="argument">The structure: read, and written if the request says so.</param>
    /// <param name="result">What the ioctl returned, 0 or more.</param>
    /// <returns>False if it would block (<see cref="Errno.EAGAIN"/>).</returns>
    /// <exception cref="ArgumentException">The structure is smaller than the request says.</exception>
    /// <exception cref="LinuxException">The ioctl failed otherwise.</exception>
    public bool TryIoctl(uint request, Span<byte> argument, out int result)
    {
        // Bits 16 to 29 of a request are the size of its structure; the kernel trusts the pointer.
        if (argument.Length < (request >> 16 & 0x3fff))
        {
            throw new ArgumentException($"The structure has {argument.Length} bytes, the request says {request >> 16 & 0x3fff}.", nameof(argument));
        }

        fixed (byte* start = argument)
        {
            while ((result = Native.IoCtl(Descriptor, request, start)) < 0)
            {
                if (!MayRepeat("ioctl"))
                {
                    return false;
                }
            }
        }
        return true;
    }

    /// <summary>Reads what is there, at most as much as fits; blocks while there is nothing.</summary>
    /// <returns>The number of bytes; 0 = end of file.</returns>
    /// <exception cref="LinuxException">The read failed; <see cref="Errno.EAGAIN"/> if it would block.</exception>
    public int Read(Span<byte> buffer)
    {
        if (!TryRead(buffer, out var count))
        {
            Throw("read", Errno.EAGAIN);
        }

        return count;
    }

    /// <summary>The same, for files opened non-blocking: no exception where the call would block.</summary>
    /// <returns>False if there is nothing to read yet (<see cref="Errno.EAGAIN"/>).</returns>
    /// <exception cref="LinuxException">The read failed otherwise.</exception>
    public bool TryRead(Span<byte> buffer, out int count)
    {
        fixed (byte* start = buffer)
        {
            while ((count = (int)Native.Read(Descriptor, start, (nuint)buffer.Length)) < 0)
            {
                if (!MayRepeat("read"))
                {
                    return false;
                }
            }
        }
        return true;
    }

    /// <summary>Writes; blocks while there is no room.</summary>
    /// <returns>The number of bytes taken, which may be fewer than given.</returns>
    /// <exception cref="LinuxException">The write failed; <see cref="Errno.EAGAIN"/> if it would block.</exception>
    public int Write(ReadOnlySpan<byte> bytes)
    {
        if (!TryWrite(bytes, out var count))
        {
            Throw("write", Errno.EAGAIN);
        }

        return count;
    }

    /// <summary>The same, for files opened non-blocking: no exception where the call would block.</summary>
    /// <returns>False if there is no room (<see cref="Errno.EAGAIN"/>).</returns>
    /// <exception cref="LinuxException">The write failed otherwise.</exception>
    public bool TryWrite(ReadOnlySpan<byte> bytes, out int count)
    {
        fixed (byte* start = bytes)
        {
            while ((count = (int)Native.Write(Descriptor, start, (nuint)bytes.Length)) < 0)
            {
                if (!MayRepeat("write"))
                {
                    return false;
                }
            }
        }
        return true;
    }

    /// <summary>Waits until the file is ready.</summary>
    /// <param name="events">What to wait for. Errors and hang-ups are always reported.</param>
    /// <param name="timeoutMilliseconds">How long to wait; -1 = for ever, 0 = only look.</param>
    /// <param name="cancel">Ends the wait when another thread signals it; its count stays as it is.</param>
    /// <returns>What happened; <see cref="PollEvents.None"/> if the time ran out or the wait was cancelled.</returns>
    /// <exception cref="LinuxException">The wait failed.</exception>
    public PollEvents Poll(PollEvents events, int timeoutMilliseconds = -1, EventFd? cancel = null) =>
        DescriptorPoll.Wait(Descriptor, events, timeoutMilliseconds, cancel);

    /// <summary>Closes the file, once no call uses it any more.</summary>
    public void Dispose() => Descriptor.Dispose();

    /// <summary>True to repeat an interrupted call, false if it would block; throws for every other error.</summary>
    private bool MayRepeat(string operation)
    {
        var errno = LinuxException.LastErrno;
        if (errno == Errno.EINTR)
        {
            return true;
        }

        if (errno != Errno.EAGAIN)
        {
            Throw(operation, errno);
        }

        return false;
    }

    [DoesNotReturn]
    private void Throw(string operation, Errno errno) => throw new LinuxException($"{operation} {Path}", errno);
}
