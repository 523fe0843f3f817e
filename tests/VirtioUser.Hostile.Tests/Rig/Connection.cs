// A front-end's end of a connection that sends any bytes and any descriptors.
using System.Runtime.InteropServices;
using Virtio.Linux;

namespace VirtioUser.Hostile.Tests.Rig;

/// <summary>What the daemon said to a message that asked for an acknowledgement.</summary>
internal enum Answer
{
    Accepted,
    Refused,
    Ended,
}

/// <summary>A message of the daemon.</summary>
internal sealed record Incoming(Request Request, uint Flags, byte[] Payload)
{
    public ulong Number => MemoryMarshal.Read<ulong>(Payload);
}

/// <summary>Nothing is checked here. A daemon that is silent for too long is wedged.</summary>
internal sealed class Connection : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    private readonly UnixSocket _socket;

    public Connection(string path)
    {
        try
        {
            _socket = UnixSocket.Connect(path, Patience);
        }
        catch (LinuxException e) when (e.Errno == Errno.EAGAIN)
        {
            throw new WedgedException("The daemon accepts no connection.");
        }

        _socket.ReceiveTimeout = Patience;
    }

    /// <summary>The socket, to be passed on or written to by somebody else.</summary>
    public FileDescriptor Descriptor => _socket.Descriptor;

    /// <summary>What was said to the last message of <see cref="Ask"/>.</summary>
    public Answer? LastAnswer { get; private set; }

    /// <summary>Whether this end was closed by the attacker.</summary>
    public bool IsClosed { get; private set; }

    /// <summary>Sends any bytes.</summary>
    /// <returns>False if the daemon has closed the connection.</returns>
    public bool SendBytes(byte[] bytes, params FileDescriptor[] descriptors)
    {
        try
        {
            _socket.Send(bytes, descriptors);
            return true;
        }
        catch (LinuxException e) when (e.Errno is Errno.EPIPE or Errno.ECONNRESET)
        {
            return false;
        }
        catch (LinuxException e) when (e.Errno == Errno.EAGAIN)
        {
            throw new WedgedException("The daemon reads nothing any more.");
        }
    }

    /// <summary>Sends a message that wants no answer.</summary>
    public bool Tell(Request request, byte[] payload, params FileDescriptor[] descriptors) =>
        SendBytes(Wire.Message((uint)request, Wire.Version, (uint)payload.Length, payload), descriptors);

    /// <summary>Sends a message and waits for its acknowledgement.</summary>
    public Answer Ask(Request request, byte[] payload, params FileDescriptor[] descriptors)
    {
        var sent = SendBytes(Wire.Message((uint)request, Wire.Version | Wire.NeedReply, (uint)payload.Length, payload), descriptors);
        var reply = sent ? Receive() : null;
        LastAnswer = reply is null ? Answer.Ended : reply.Payload.Length == 8 && reply.Number != 0 ? Answer.Refused : Answer.Accepted;
        return LastAnswer.Value;
    }

    /// <summary>What was asked last has a reply of its own, which is no acknowledgement.</summary>
    public void ForgetAnswer() => LastAnswer = null;

    /// <summary>The same for a message that must be taken.</summary>
    public void Must(Request request, byte[] payload, params FileDescriptor[] descriptors)
    {
        if (Ask(request, payload, descriptors) != Answer.Accepted)
        {
            throw new HarmException($"{request} that is sound: {LastAnswer}.");
        }

        LastAnswer = null;
    }

    /// <summary>Sends a question that is sound and waits for the reply.</summary>
    public Incoming? Question(Request request, params byte[] payload) => Tell(request, payload) ? Receive() : null;

    /// <summary>Waits for a message.</summary>
    /// <returns>Null if the daemon closed the connection.</returns>
    public Incoming? Receive()
    {
        var header = ReceiveExactly(12);
        if (header is null)
        {
            return null;
        }

        var words = MemoryMarshal.Cast<byte, uint>(header);
        var payload = words[2] == 0 ? [] : ReceiveExactly((int)words[2]);
        return payload is null ? null : new Incoming((Request)words[0], words[1], payload);
    }

    /// <summary>Whether the connection still answers.</summary>
    public bool Lives()
    {
        if (!Tell(Request.GetFeatures, []))
        {
            return false;
        }

        while (Receive() is { } message)
        {
            if (message.Request == Request.GetFeatures && (message.Flags & Wire.Reply) != 0 && message.Payload.Length == 8)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The connection answers, or has ended; else it is wedged.</summary>
    public void LivesOrWedged() => Lives();

    /// <summary>Waits until the daemon closes the connection.</summary>
    public void AwaitEnd()
    {
        while (Receive() is not null)
        {
        }
    }

    /// <summary>Agrees on what a sound front-end agrees on, but for what is left out.</summary>
    public Connection Negotiate(ulong features = Wire.Sound, ulong without = 0)
    {
        var offered = Question(Request.GetProtocolFeatures)?.Number ?? throw new HarmException("No protocol features.");
        Tell(Request.SetFeatures, Wire.U64(features));
        Tell(Request.SetProtocolFeatures, Wire.U64(offered & ~without));
        Tell(Request.SetOwner, []);
        return this;
    }

    public void Dispose()
    {
        IsClosed = true;
        _socket.Dispose();
    }

    private byte[]? ReceiveExactly(int count)
    {
        var bytes = new byte[count];
        using var descriptors = new ReceivedDescriptors(8);
        try
        {
            for (var have = 0; have < count;)
            {
                var got = _socket.Receive(bytes.AsSpan(have), descriptors);
                if (got == 0)
                {
                    return null;
                }

                have += got;
            }
        }
        catch (LinuxException e) when (e.Errno is Errno.ECONNRESET or Errno.EPIPE)
        {
            return null;
        }
        catch (LinuxException e) when (e.Errno == Errno.EAGAIN)
        {
            throw new WedgedException("The daemon does not answer.");
        }

        return bytes;
    }
}
