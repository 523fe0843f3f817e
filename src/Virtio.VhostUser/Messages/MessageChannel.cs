// Whole messages over a socket.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Virtio.Linux;

namespace Virtio.VhostUser.Messages;

/// <summary>
/// Sends and receives whole messages. One thread may receive while another sends; each by one thread at a time.
/// </summary>
internal sealed class MessageChannel : IDisposable
{
    private readonly byte[] _incoming = new byte[MessageHeader.MaximumPayload];
    private readonly byte[] _outgoing = new byte[MessageHeader.Size + MessageHeader.MaximumPayload];
    private readonly TimeSpan _patience;

    /// <summary>Takes over a socket.</summary>
    /// <param name="socket">The socket; owned from now on.</param>
    /// <param name="patience">How long, in total, the rest of a message may take once its first byte is there, and how long the
    /// other side may take to read a message; it is never waited for for longer.</param>
    internal MessageChannel(UnixSocket socket, TimeSpan patience)
    {
        Socket = socket;
        Socket.SendTimeout = _patience = patience;
    }

    /// <summary>The socket; owned by the channel.</summary>
    internal UnixSocket Socket { get; }

    /// <summary>The descriptors of the message that was received last, until they are taken.</summary>
    internal ReceivedDescriptors Descriptors { get; } = new(MemoryTableMessage.MaximumRegions);

    /// <summary>Waits for a message. Its payload is valid, and its descriptors are kept, until the next one is waited for.</summary>
    /// <param name="header">The header.</param>
    /// <param name="payload">What follows it.</param>
    /// <param name="begin">Until when to wait for the first byte.</param>
    /// <returns>False if the other end closed the connection, between two messages.</returns>
    /// <exception cref="VhostUserException">What came is no message, or the connection ended in the middle of one.</exception>
    /// <exception cref="LinuxException">The connection failed, or time ran out (<see cref="Errno.EAGAIN"/>).</exception>
    internal bool TryReceive(out MessageHeader header, out ReadOnlySpan<byte> payload, Deadline begin = default)
    {
        header = default;
        payload = default;
        Span<byte> headerBytes = stackalloc byte[MessageHeader.Size];
        try
        {
            var received = Socket.Receive(headerBytes, Descriptors, begin);
            if (received == 0)
            {
                return false;
            }

            // Each byte by itself may come in time; the message as a whole must.
            var deadline = Deadline.After(_patience);
            // Descriptors travel with the first byte of a message, so that what follows carries none.
            ReceiveRest(headerBytes[received..], deadline);
            header = MessageHeader.Read(headerBytes);
            ReceiveRest(_incoming.AsSpan(0, (int)header.PayloadSize), deadline);
        }
        catch (InvalidDataException tooMany)
        {
            throw new VhostUserException(tooMany.Message, tooMany);
        }

        payload = _incoming.AsSpan(0, (int)header.PayloadSize);
        return true;
    }

    /// <summary>Sends a message.</summary>
    /// <exception cref="LinuxException">The connection failed, or the other side does not read (<see cref="Errno.EAGAIN"/>).</exception>
    internal void Send(uint request, MessageFlags flags, ReadOnlySpan<byte> payload, ReadOnlySpan<FileDescriptor> descriptors = default)
    {
        var header = new MessageHeader(request, flags | MessageFlags.Version1, (uint)payload.Length);
        MemoryMarshal.Write(_outgoing, header);
        payload.CopyTo(_outgoing.AsSpan(MessageHeader.Size));
        Socket.Send(_outgoing.AsSpan(0, MessageHeader.Size + payload.Length), descriptors);
    }

    /// <summary>Sends a message whose payload is a structure.</summary>
    /// <inheritdoc cref="Send(uint, MessageFlags, ReadOnlySpan{byte}, ReadOnlySpan{FileDescriptor})"/>
    internal void Send<T>(uint request, MessageFlags flags, T payload, ReadOnlySpan<FileDescriptor> descriptors = default)
        where T : unmanaged =>
        Send(request, flags, MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in payload)), descriptors);

    /// <summary>Reads a payload that is exactly one structure.</summary>
    /// <exception cref="VhostUserException">It has another size.</exception>
    internal static T ReadPayload<T>(string request, ReadOnlySpan<byte> payload)
        where T : unmanaged
    {
        if (payload.Length != Unsafe.SizeOf<T>())
        {
            throw new VhostUserException($"{request} has a payload of {payload.Length} bytes instead of {Unsafe.SizeOf<T>()}.");
        }

        return MemoryMarshal.Read<T>(payload);
    }

    /// <summary>Closes the socket and what was not taken of the descriptors. Does not wait.</summary>
    public void Dispose()
    {
        Descriptors.Dispose();
        Socket.Discard();
    }

    private void ReceiveRest(Span<byte> rest, Deadline deadline)
    {
        using var none = new ReceivedDescriptors(0);
        while (!rest.IsEmpty)
        {
            var received = Socket.Receive(rest, none, deadline);
            if (received == 0)
            {
                throw new VhostUserException("The connection ended in the middle of a message.");
            }

            rest = rest[received..];
        }
    }
}
