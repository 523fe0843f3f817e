// How a socket sends and receives bytes with descriptors.
namespace Virtio.Linux;

public sealed unsafe partial class UnixSocket
{
    // Room for as many descriptors as the kernel ever delivers, and for what it may add, so that none is cut off for want of room.
    private const int ControlSize = 16 + (MaximumDescriptors * sizeof(int) + 7) / 8 * 8 + 512;

    /// <summary>Sends all bytes, with descriptors attached to the first of them. Waits while the other side does not read.</summary>
    /// <param name="bytes">At least one byte.</param>
    /// <param name="descriptors">At most <see cref="MaximumDescriptors"/>; they stay the caller's.</param>
    /// <exception cref="ArgumentException">No byte, or too many descriptors.</exception>
    /// <exception cref="LinuxException">The other side is gone (<see cref="Errno.EPIPE"/>, <see cref="Errno.ECONNRESET"/>), or
    /// does not read for longer than <see cref="SendTimeout"/> (<see cref="Errno.EAGAIN"/>); some bytes may have been sent then.</exception>
    public void Send(ReadOnlySpan<byte> bytes, ReadOnlySpan<FileDescriptor> descriptors = default)
    {
        var deadline = Deadline.After(SendTimeout);
        if (bytes.IsEmpty)
        {
            throw new ArgumentException("There must be at least one byte.", nameof(bytes));
        }

        if (descriptors.Length > MaximumDescriptors)
        {
            throw new ArgumentException($"At most {MaximumDescriptors} descriptors can be sent at once.", nameof(descriptors));
        }

        var held = 0;
        var control = stackalloc byte[ControlSize];
        try
        {
            for (; held < descriptors.Length; held++)
            {
                var added = false;
                descriptors[held].DangerousAddRef(ref added);
                ((int*)(control + sizeof(Native.ControlHeader)))[held] = (int)descriptors[held].DangerousGetHandle();
            }
            SendHeld(bytes, control, held, deadline);
        }
        finally
        {
            while (held > 0)
            {
                descriptors[--held].DangerousRelease();
            }
        }
    }

    /// <summary>Receives what is there, at most as much as fits; waits while there is nothing.</summary>
    /// <param name="buffer">At least one byte.</param>
    /// <param name="descriptors">Cleared, then owns the descriptors that came with these bytes.</param>
    /// <returns>The number of bytes; 0 = the other side closed the connection.</returns>
    /// <exception cref="InvalidDataException">More descriptors came than the collection holds, or some were cut off
    /// because this process has no free descriptor. All of them are closed.</exception>
    /// <exception cref="LinuxException">The connection failed, or nothing came within <see cref="ReceiveTimeout"/> (<see cref="Errno.EAGAIN"/>).</exception>
    public int Receive(Span<byte> buffer, ReceivedDescriptors descriptors) => Receive(buffer, descriptors, Deadline.After(ReceiveTimeout));

    /// <summary>The same, with a moment until which to wait in place of the time.</summary>
    /// <inheritdoc cref="Receive(Span{byte}, ReceivedDescriptors)"/>
    public int Receive(Span<byte> buffer, ReceivedDescriptors descriptors, Deadline deadline)
    {
        ArgumentNullException.ThrowIfNull(descriptors);
        if (buffer.IsEmpty)
        {
            throw new ArgumentException("There must be room for at least one byte.", nameof(buffer));
        }

        descriptors.Clear();
        var control = stackalloc byte[ControlSize];
        fixed (byte* start = buffer)
        {
            var vector = new Native.IoVec { Base = start, Length = (nuint)buffer.Length };
            Native.MessageHeader message = default;
            message.Vectors = &vector;
            message.VectorCount = 1;
            nint received;
            while (true)
            {
                message.Control = control;
                message.ControlLength = ControlSize;
                received = Native.ReceiveMessage(Descriptor, &message, Native.MSG_CMSG_CLOEXEC | Native.MSG_DONTWAIT);
                if (received >= 0)
                {
                    break;
                }

                if (LinuxException.LastErrno != Errno.EINTR)
                {
                    WaitOrThrow("recvmsg", PollEvents.In, deadline);
                }
            }

            var complete = TakeDescriptors(message, descriptors) && (message.Flags & Native.MSG_CTRUNC) == 0;
            if (!complete)
            {
                var limit = descriptors.Capacity;
                descriptors.Clear();
                throw new InvalidDataException($"A message carried more than {limit} descriptors, or more than this process may open.");
            }
            return (int)received;
        }
    }

    /// <summary>Looks at what could be received now, and leaves it there. Does not wait.</summary>
    /// <param name="buffer">Room for bytes; more are not looked at.</param>
    /// <returns>How many bytes are there and fit; null if there are none; 0 if the other side has closed the connection. Whether
    /// descriptors came with them, of which none is opened here.</returns>
    /// <exception cref="LinuxException">The connection failed.</exception>
    public (int? Count, bool HasDescriptors) Peek(Span<byte> buffer)
    {
        fixed (byte* bytes = buffer)
        {
            var vector = new Native.IoVec { Base = bytes, Length = (nuint)buffer.Length };
            Native.MessageHeader message = default;
            message.Vectors = &vector;
            message.VectorCount = 1;
            nint received;
            while ((received = Native.ReceiveMessage(Descriptor, &message, Native.MSG_PEEK | Native.MSG_DONTWAIT)) < 0)
            {
                if (LinuxException.LastErrno == Errno.EAGAIN)
                {
                    return (null, false);
                }

                if (LinuxException.LastErrno != Errno.EINTR)
                {
                    LinuxException.ThrowLast("recvmsg");
                }
            }

            // There was no room for them.
            return ((int)received, (message.Flags & Native.MSG_CTRUNC) != 0);
        }
    }

    /// <summary>How many bytes are there to be received, those that <see cref="Peek(Span{byte})"/> does not show too: out-of-band ones.</summary>
    /// <exception cref="LinuxException">The socket cannot be asked.</exception>
    public int Pending
    {
        get
        {
            int count;
            if (Native.IoCtl(Descriptor, Native.FIONREAD, &count) < 0)
            {
                LinuxException.ThrowLast("ioctl FIONREAD");
            }

            return count;
        }
    }

    private void SendHeld(ReadOnlySpan<byte> bytes, byte* control, int descriptorCount, Deadline deadline)
    {
        fixed (byte* start = bytes)
        {
            nuint sent = 0;
            while (sent < (nuint)bytes.Length)
            {
                var vector = new Native.IoVec { Base = start + sent, Length = (nuint)bytes.Length - sent };
                Native.MessageHeader message = default;
                message.Vectors = &vector;
                message.VectorCount = 1;
                if (descriptorCount > 0 && sent == 0)
                {
                    var header = (Native.ControlHeader*)control;
                    header->Length = (nuint)(sizeof(Native.ControlHeader) + descriptorCount * sizeof(int));
                    header->Level = Native.SOL_SOCKET;
                    header->Type = Native.SCM_RIGHTS;
                    message.Control = control;
                    message.ControlLength = (header->Length + 7) & ~(nuint)7;
                }
                var count = Native.SendMessage(Descriptor, &message, Native.MSG_NOSIGNAL | Native.MSG_DONTWAIT);
                if (count >= 0)
                {
                    sent += (nuint)count;
                }
                else if (LinuxException.LastErrno != Errno.EINTR)
                {
                    WaitOrThrow("sendmsg", PollEvents.Out, deadline);
                }
            }
        }
    }

    /// <summary>After a call that failed: waits until it can be repeated, if it would have blocked.</summary>
    private void WaitOrThrow(string operation, PollEvents events, Deadline deadline)
    {
        var errno = LinuxException.LastErrno;
        if (errno != Errno.EAGAIN || deadline.IsOver)
        {
            throw new LinuxException(operation, errno);
        }

        DescriptorPoll.Wait(Descriptor, events, deadline.MillisecondsLeft, null);
    }

    /// <summary>Takes every descriptor out of the control data; false if one did not fit (it is closed then).</summary>
    private static bool TakeDescriptors(in Native.MessageHeader message, ReceivedDescriptors descriptors)
    {
        var all = true;
        var control = (byte*)message.Control;
        var left = message.ControlLength;
        while (left >= (nuint)sizeof(Native.ControlHeader))
        {
            var header = (Native.ControlHeader*)control;
            if (header->Length < (nuint)sizeof(Native.ControlHeader) || header->Length > left)
            {
                break;
            }

            if (header->Level == Native.SOL_SOCKET && header->Type == Native.SCM_PIDFD)
            {
                // Whoever shares the socket can ask the kernel for one with every message.
                new FileDescriptor(*(int*)(control + sizeof(Native.ControlHeader))).Dispose();
            }
            else if (header->Level == Native.SOL_SOCKET && header->Type == Native.SCM_RIGHTS)
            {
                var count = (int)(header->Length - (nuint)sizeof(Native.ControlHeader)) / sizeof(int);
                var numbers = (int*)(control + sizeof(Native.ControlHeader));
                for (var i = 0; i < count; i++)
                {
                    var descriptor = new FileDescriptor(numbers[i]);
                    if (!descriptors.TryAdd(descriptor))
                    {
                        ForeignDescriptor.Close(descriptor);
                        all = false;
                    }
                }
            }
            var step = Math.Min((header->Length + 7) & ~(nuint)7, left);
            control += step;
            left -= step;
        }
        return all;
    }
}
