// Whole messages over a socket.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Virtio.Linux;

namespace Virtio.VhostUser.Messages;

/// <summary>
/// Sends and receives whole messages. One thread may receive while another sends; each by one thread at a time.
/// </summary>
sealed class MessageChannel(UnixSocket socket) : IDisposable
{
    readonly byte[] _incoming = new byte[MessageHeader.MaximumPayload];
    readonly byte[] _outgoing = new byte[MessageHeader.Size + MessageHeader.MaximumPayload];

    long _deadline;

    /// <summary>How long the rest of a message may take once its first bytes are there; for ever if never set.</summary>
    internal TimeSpan Patience { private get; init; } = Timeout.InfiniteTimeSpan;

    /// <summary>The socket; owned by the channel.</summary>
    internal UnixSocket Socket => socket;

    /// <summary>The descriptors of the message that was received last, until they are taken.</summary>
    internal ReceivedDescriptors Descriptors { get; } = new(MemoryTableMessage.MaximumRegions);

    /// <summary>Waits for a message. Its payload is valid, and its descriptors are kept, until the next one is received.</summary>
    /// <returns>False if the other end closed the connection, between two messages.</returns>
    /// <exception cref="VhostUserException">What came is no message, or the connection ended in the middle of one.</exception>
    /// <exception cref="LinuxException">The connection failed.</exception>
    internal bool TryReceive(out MessageHeader header, out ReadOnlySpan<byte> payload)
    {
        header = default;
        payload = default;
        Span<byte> headerBytes = stackalloc byte[MessageHeader.Size];
        try
        {
            int received = socket.Receive(headerBytes, Descriptors);
            if (received == 0)
                return false;
            _deadline = Patience < TimeSpan.Zero ? long.MaxValue : Environment.TickCount64 + (long)Patience.TotalMilliseconds;
            // Descriptors travel with the first byte of a message, so that what follows carries none.
            ReceiveRest(headerBytes[received..]);
            header = MessageHeader.Read(headerBytes);
            ReceiveRest(_incoming.AsSpan(0, (int)header.PayloadSize));
        }
        catch (InvalidDataException tooMany)
        {
            throw new VhostUserException(tooMany.Message, tooMany);
        }
        payload = _incoming.AsSpan(0, (int)header.PayloadSize);
        return true;
    }

    /// <summary>Sends a message.</summary>
    /// <exception cref="LinuxException">The connection failed.</exception>
    internal void Send(uint request, MessageFlags flags, ReadOnlySpan<byte> payload, ReadOnlySpan<FileDescriptor> descriptors = default)
    {
        var header = new MessageHeader(request, flags | MessageFlags.Version1, (uint)payload.Length);
        MemoryMarshal.Write(_outgoing, header);
        payload.CopyTo(_outgoing.AsSpan(MessageHeader.Size));
        socket.Send(_outgoing.AsSpan(0, MessageHeader.Size + payload.Length), descriptors);
    }

    /// <summary>Sends a message whose payload is a structure.</summary>
    /// <exception cref="LinuxException">The connection failed.</exception>
    internal void Send<T>(uint request, MessageFlags flags, T payload, ReadOnlySpan<FileDescriptor> descriptors = default) where T : unmanaged =>
        Send(request, flags, MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in payload)), descriptors);

    /// <summary>Reads a payload that is exactly one structure.</summary>
    /// <exception cref="VhostUserException">It has another size.</exception>
    internal static T ReadPayload<T>(string request, ReadOnlySpan<byte> payload) where T : unmanaged
    {
        if (payload.Length != Unsafe.SizeOf<T>())
            throw new VhostUserException($"{request} has a payload of {payload.Length} bytes instead of {Unsafe.SizeOf<T>()}.");
        return MemoryMarshal.Read<T>(payload);
    }

    /// <summary>Closes the socket and what was not taken of the descriptors.</summary>
    public void Dispose()
    {
        Descriptors.Dispose();
        socket.Dispose();
    }

    void ReceiveRest(Span<byte> rest)
    {
        using var none = new ReceivedDescriptors(0);
        while (!rest.IsEmpty)
        {
            int received = socket.Receive(rest, none);
            if (received == 0)
                throw new VhostUserException("The connection ended in the middle of a message.");
            rest = rest[received..];
            // Each byte by itself may come in time.
            if (!rest.IsEmpty && Environment.TickCount64 > _deadline)
                throw new LinuxException("recvmsg of the rest of a message", Errno.EAGAIN);
        }
    }
}
