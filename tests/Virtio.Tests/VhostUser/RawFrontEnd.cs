// A front-end that sends whatever a test wants.
using System.Runtime.InteropServices;
using Virtio.Linux;
using Virtio.VhostUser;

namespace Virtio.Tests.VhostUser;

/// <summary>A message as it came over the wire.</summary>
internal sealed record RawMessage(uint Request, uint Flags, byte[] Payload);

/// <summary>Puts messages together by hand. The socket stays the caller's.</summary>
internal sealed class RawFrontEnd(UnixSocket socket)
{
    internal const uint Version = 1, Reply = 1 | 4, NeedReply = 1 | 8;

    internal void Send(uint request, uint flags, byte[] payload, params FileDescriptor[] descriptors) =>
        socket.Send(Bytes(request, flags, (uint)payload.Length, payload), descriptors);

    /// <summary>Sends a message that asks for an acknowledgement, and returns what came: 0 = accepted.</summary>
    internal ulong Tell(FrontEndRequest request, byte[] payload, params FileDescriptor[] descriptors)
    {
        Send((uint)request, NeedReply, payload, descriptors);
        var reply = Receive() ?? throw new EndOfStreamException();
        Xunit.Assert.Equal(((uint)request, Reply), (reply.Request, reply.Flags));
        return BitConverter.ToUInt64(reply.Payload);
    }

    internal void Negotiate()
    {
        Send((uint)FrontEndRequest.GetProtocolFeatures, Version, []);
        var offered = Receive()!.Payload;
        Xunit.Assert.Equal(0UL, Tell(FrontEndRequest.SetProtocolFeatures, offered));
    }

    /// <summary>The next message; null = the other side closed the connection.</summary>
    internal RawMessage? Receive()
    {
        using var descriptors = new ReceivedDescriptors(8);
        return Receive(descriptors);
    }

    /// <summary>The same, with the descriptors that came with it.</summary>
    internal RawMessage? Receive(ReceivedDescriptors descriptors)
    {
        using var none = new ReceivedDescriptors(0);
        var header = new byte[12];
        if (!TryFill(header, descriptors))
        {
            return null;
        }

        var fields = MemoryMarshal.Cast<byte, uint>(header).ToArray();
        var payload = new byte[fields[2]];
        return TryFill(payload, none) ? new RawMessage(fields[0], fields[1], payload) : null;
    }

    internal static byte[] Bytes(uint request, uint flags, uint size, byte[] payload) =>
        [.. MemoryMarshal.AsBytes<uint>([request, flags, size]), .. payload];

    private bool TryFill(Span<byte> buffer, ReceivedDescriptors descriptors)
    {
        try
        {
            while (!buffer.IsEmpty)
            {
                var count = socket.Receive(buffer, descriptors);
                if (count == 0)
                {
                    return false;
                }

                buffer = buffer[count..];
            }
            return true;
        }
        catch (LinuxException failure) when (failure.Errno == Errno.ECONNRESET)
        {
            // Closed with something of ours unread.
            return false;
        }
    }
}
