// The ways from the guest to its host that are compared.
using System.Buffers.Binary;
using VirtioUser.Guest;

namespace VirtioUser.Benchmarks.Guest;

/// <summary>A way on which small messages go round, and large ones to the host, which reads all of their bytes.</summary>
/// <param name="name">What people see.</param>
internal abstract class Transport(string name) : IDisposable
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
internal sealed class UserTransport : Transport
{
    private readonly VirtioUserDevice _echo;
    private readonly VirtioUserDevice? _checksum;
    private readonly SharedObject? _memory;
    private readonly Payload? _payload;
    private readonly bool _copies;
    private readonly int _place;
    private uint _number;

    /// <summary>For round trips only.</summary>
    /// <param name="name">What people see.</param>
    /// <param name="echo">The device that answers.</param>
    public UserTransport(string name, uint echo)
        : base(name) => _echo = VirtioUserDevice.Open(BenchmarkDevices.Vendor, echo);

    /// <summary>For messages too.</summary>
    /// <param name="name">What people see.</param>
    /// <param name="echo">The device that answers round trips.</param>
    /// <param name="payload">What is sent.</param>
    /// <param name="copies">Whether it is copied into the shared memory for each message.</param>
    public UserTransport(string name, uint echo, Payload payload, bool copies)
        : this(name, echo)
    {
        _payload = payload;
        _copies = copies;
        _checksum = VirtioUserDevice.Open(BenchmarkDevices.Vendor, BenchmarkDevices.Checksum);
        _memory = _checksum.Allocate((ulong)(payload.Length + Placing.Slack));
        _place = Placing.OffsetIn(_memory.Span, payload.Bytes(payload.Length));
        payload.Bytes(payload.Length).CopyTo(_memory.Span[_place..]);
    }

    public override void RoundTrip()
    {
        _number = (_number + 1) & 0xffff;
        Check(_echo.Ping(new PingRequest(_number)), _number);
    }

    public override uint Send(int length)
    {
        if (_copies)
        {
            _payload!.Bytes(length).CopyTo(_memory!.Span[_place..]);
        }

        return _checksum!.Ping(new PingRequest(_memory!, (ulong)_place, (ulong)length));
    }

    public override void Dispose()
    {
        _memory?.Dispose();
        _checksum?.Dispose();
        _echo.Dispose();
    }
}

/// <summary>A stream to a server on the host that answers each message (4 bytes of length before it) with 4 bytes.</summary>
internal sealed class StreamTransport(string name, Stream stream, Payload payload) : Transport(name)
{
    private readonly byte[] _small = [sizeof(uint), 0, 0, 0, 0, 0, 0, 0];
    private readonly byte[] _reply = new byte[sizeof(uint)];
    private uint _number;

    public override void RoundTrip()
    {
        _number = (_number + 1) & 0xffff;
        BinaryPrimitives.WriteUInt32LittleEndian(_small.AsSpan(sizeof(uint)), _number);
        stream.Write(_small);
        Check(ReadReply(), Checksum.Fold(_number));
    }

    public override uint Send(int length)
    {
        stream.Write(payload.WithHeader(length));
        return ReadReply();
    }

    public override void Dispose() => stream.Dispose();

    private uint ReadReply()
    {
        stream.ReadExactly(_reply);
        return BinaryPrimitives.ReadUInt32LittleEndian(_reply);
    }
}
