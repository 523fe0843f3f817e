// The ways from the guest to its host that are compared.
using System.Buffers.Binary;
using VirtioUser.Guest;

namespace VirtioUser.Benchmarks.Guest;

/// <summary>A way on which small messages go round, and large ones to the host, which reads all of their bytes.</summary>
/// <param name="name">What people see.</param>
abstract class Transport(string name) : IDisposable
{
    /// <summary>What people see.</summary>
    public string Name => name;

    /// <summary>Sends a number and waits for what comes back.</summary>
    public abstract void RoundTrip();

    /// <summary>Sends the first bytes of <see cref="Payload"/>.</summary>
    /// <param name="length">How many.</param>
    /// <returns>The host's checksum of them.</returns>
    public abstract uint Send(int length);

    public abstract void Dispose();

    /// <summary>An answer that is not the right one ends the program.</summary>
    public static void Check(uint answer, uint expected)
    {
        if (answer != expected)
        {
            throw new InvalidOperationException($"The host answered {answer} and not {expected}.");
        }
    }
}

/// <summary>A virtio-user device. The message lies in shared memory already, or is copied there first.</summary>
sealed class UserTransport : Transport
{
    readonly VirtioUserDevice echo = VirtioUserDevice.Open(BenchmarkDevices.Vendor, BenchmarkDevices.Echo);
    readonly VirtioUserDevice checksum = VirtioUserDevice.Open(BenchmarkDevices.Vendor, BenchmarkDevices.Checksum);
    readonly SharedObject memory;
    readonly Payload payload;
    readonly bool copies;
    uint number;

    public UserTransport(Payload payload, bool copies)
        : base(copies ? GuestTurn.OursCopied : GuestTurn.Ours)
    {
        this.payload = payload;
        this.copies = copies;
        memory = checksum.Allocate((ulong)payload.Length);
        payload.Bytes(payload.Length).CopyTo(memory.Span);
    }

    public override void RoundTrip()
    {
        number = (number + 1) & 0xffff;
        Check(echo.Ping(new PingRequest(number)), number);
    }

    public override uint Send(int length)
    {
        if (copies)
        {
            payload.Bytes(length).CopyTo(memory.Span);
        }

        return checksum.Ping(new PingRequest(memory, 0, (ulong)length));
    }

    public override void Dispose()
    {
        memory.Dispose();
        checksum.Dispose();
        echo.Dispose();
    }
}

/// <summary>A stream to a server on the host that answers each message (4 bytes of length before it) with 4 bytes.</summary>
sealed class StreamTransport(string name, Stream stream, Payload payload) : Transport(name)
{
    readonly byte[] small = [sizeof(uint), 0, 0, 0, 0, 0, 0, 0];
    readonly byte[] reply = new byte[sizeof(uint)];
    uint number;

    public override void RoundTrip()
    {
        number = (number + 1) & 0xffff;
        BinaryPrimitives.WriteUInt32LittleEndian(small.AsSpan(sizeof(uint)), number);
        stream.Write(small);
        Check(ReadReply(), Checksum.Fold(number));
    }

    public override uint Send(int length)
    {
        stream.Write(payload.WithHeader(length));
        return ReadReply();
    }

    public override void Dispose() => stream.Dispose();

    uint ReadReply()
    {
        stream.ReadExactly(reply);
        return BinaryPrimitives.ReadUInt32LittleEndian(reply);
    }
}
