// A decoder on the host.
using System.Numerics;
using System.Runtime.InteropServices;
using VirtioUser.Guest;

namespace VirtioUser.Codec;

/// <summary>
/// Decodes one stream, or one after the other of the same codec, by the codec device: packets go in, pictures come out, in
/// the order in which they are to be shown.
/// </summary>
/// <remarks>
/// <para>A program sends as many packets as are taken, takes what has come out, and waits when it can do neither:</para>
/// <code>
/// while (!ended)
/// {
///     while (packet is not null &amp;&amp; decoder.TrySend(packet, timestamp))
///         packet = next();
///     if (decoder.TryTake(out var output))
///         ended = show(output);
///     else
///         decoder.Wait();
/// }
/// </code>
/// <para>Pictures that are not given back use up the room of the decoder, which then waits: a program that waits for the next
/// picture while it keeps all the others waits for ever, unless there is
/// <see cref="VideoDecoderOptions.FrameMemory"/> enough.</para>
/// <para>Not thread-safe: all members, and those of the pictures, belong to one thread at a time.</para>
/// <para>A <see cref="VirtioUserException"/> of any member says that the device is gone or the instance has ended; a
/// <see cref="VideoDecoderException"/> that the device does not keep to the protocol. The decoder is of no use then.</para>
/// </remarks>
public sealed class VideoDecoder : IDisposable
{
    private const int PageSize = 4096;

    private readonly VirtioUserDevice _device;
    private readonly SharedObject _memory;
    private readonly SharedRings _rings;
    private readonly DeviceSignals _signals;
    private readonly PacketArea _packets;
    private readonly ulong _framesOffset;
    private readonly ulong _framesSize;
    private readonly uint _outputBatch;

    // A bit for each token that is out.
    private ulong _tokens;
    private bool _refused;
    private bool _disposed;

    internal VideoDecoder(VirtioUserDevice device, VideoDecoderOptions options)
    {
        options.Check();
        if (!BitConverter.IsLittleEndian)
            throw new PlatformNotSupportedException("The rings are little-endian, and so must be this machine.");
        _device = device;
        _outputBatch = (uint)options.OutputBatch;
        _packets = new PacketArea(Pages(options.PacketMemory));
        _framesOffset = Protocol.Areas + _packets.Size;
        _framesSize = Pages(options.FrameMemory);
        _memory = device.Allocate(_framesOffset + _framesSize);
        _rings = new SharedRings(_memory);
        _signals = new DeviceSignals(device, _rings);
        SetupEntry setup = new()
        {
            Codec = (uint)options.Codec,
            Threads = (uint)options.Threads,
            DataOffset = Protocol.Areas,
            DataSize = _packets.Size,
            FramesOffset = _framesOffset,
            FramesSize = _framesSize,
        };
        MemoryMarshal.Write(_memory.GetSpan(0, Marshal.SizeOf<SetupEntry>()), in setup);
        if (_signals.Ask(new PingRequest(_memory, Protocol.Open)) is var answer && answer != Protocol.Ok)
            throw new VideoDecoderException(device.Identity, "open the codec", Refusal(answer, options.Codec));
    }

    /// <summary>How many pings were sent.</summary>
    public long PingsSent => _signals.PingsSent;

    /// <summary>How many events of the device were received.</summary>
    public long EventsReceived => _signals.EventsReceived;

    /// <summary>The largest packet that can be sent, in bytes.</summary>
    public int PacketMaximum => (int)Math.Min(_packets.Size, Protocol.PacketMax);

    /// <summary>Opens the device and sets up a decoder.</summary>
    /// <param name="options">What to decode.</param>
    /// <param name="source">Where to look for the device; null = <see cref="DeviceSource.Default"/>.</param>
    /// <exception cref="VirtioUserException">There is no such device, it can not be opened, or the host has no room for the memory.</exception>
    /// <exception cref="VideoDecoderException">The host does not decode this.</exception>
    public static VideoDecoder Open(VideoDecoderOptions options, DeviceSource? source = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        var device = VirtioUserDevice.Open(Protocol.Vendor, Protocol.Device, Protocol.Version, Protocol.Version, source);
        try
        {
            return new VideoDecoder(device, options);
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    /// <summary>Sends a packet, if there is room. The bytes are copied. The host may notice it only when the program looks for outputs.</summary>
    /// <param name="packet">The packet, not empty.</param>
    /// <param name="timestamp">Comes back with its picture; the unit is the program's.</param>
    /// <returns>False if it was not sent, because the host has not taken enough of the earlier ones.</returns>
    /// <exception cref="ArgumentException">The packet is empty or longer than <see cref="PacketMaximum"/>.</exception>
    public bool TrySend(ReadOnlySpan<byte> packet, long timestamp)
    {
        if (packet.IsEmpty || packet.Length > PacketMaximum)
            throw new ArgumentException($"A packet has 1 to {PacketMaximum} bytes, not {packet.Length}.", nameof(packet));
        return TrySend(packet, timestamp, flags: 0);
    }

    /// <summary>
    /// Sends the end of the stream, if there is room: what the decoder keeps back comes out, then an output that is
    /// <see cref="DecoderOutputKind.End"/>. The next packet begins a new stream.
    /// </summary>
    /// <returns>As <see cref="TrySend(ReadOnlySpan{byte}, long)"/>.</returns>
    public bool TrySendEnd() => TrySend([], 0, Protocol.PacketEnd);

    /// <summary>Sends a packet; waits for room if need be, but not longer than until something has come out.</summary>
    /// <param name="packet">The packet, not empty.</param>
    /// <param name="timestamp">Comes back with its picture; the unit is the program's.</param>
    /// <param name="cancellationToken">Ends the wait; the packet was not sent then.</param>
    /// <returns>False if it was not sent: take what has come out, then try again.</returns>
    /// <exception cref="ArgumentException">The packet is empty or longer than <see cref="PacketMaximum"/>.</exception>
    public bool Send(ReadOnlySpan<byte> packet, long timestamp, CancellationToken cancellationToken = default)
    {
        while (!TrySend(packet, timestamp))
        {
            if (CountOutputs() > 0)
                return false;
            Wait(cancellationToken);
        }

        return true;
    }

    /// <summary>Takes what has come out, if anything has; makes the host notice packets that were sent and pictures that were given back.</summary>
    /// <param name="output">A picture, an error or the end of the stream.</param>
    /// <returns>False if there is nothing yet.</returns>
    public bool TryTake(out DecoderOutput output)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        output = default;
        _signals.Tell();
        if (CountOutputs() == 0)
        {
            ThrowIfBroken();
            return false;
        }

        var entry = _rings.TakeOutput();
        _signals.NoteChange();
        output = entry.Type switch
        {
            Protocol.OutputFrame => new() { Kind = DecoderOutputKind.Frame, Frame = Accept(entry) },
            Protocol.OutputError => new() { Kind = DecoderOutputKind.Error, Error = (DecoderError)entry.Error, BytesNeeded = entry.Needed },
            Protocol.OutputEnd => new() { Kind = DecoderOutputKind.End },
            var type => throw Lie($"an output of type {type}"),
        };
        return true;
    }

    /// <summary>Waits for the next output. All packets that it needs must have been sent.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    public DecoderOutput Take(CancellationToken cancellationToken = default)
    {
        DecoderOutput output;
        while (!TryTake(out output))
            Wait(cancellationToken);
        return output;
    }

    /// <summary>
    /// Waits until <see cref="TryTake"/> has something, or, if the last packet found no room, until there may be room. Can
    /// return without a reason.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    public void Wait(CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        cancellationToken.ThrowIfCancellationRequested();
        _signals.Tell();
        if (HasNews())
            return;
        _rings.Want(
            _refused ? Protocol.EventOutput | Protocol.EventSpace : Protocol.EventOutput,
            _outputBatch,
            Math.Max(1, _rings.PacketsPending / 2));

        // Between saying so and sleeping, as the device may have looked before.
        if (HasNews())
        {
            _signals.StayAwake();
            return;
        }

        _signals.Sleep(cancellationToken);
        ThrowIfBroken();
    }

    /// <summary>Ends the instance. Pictures that were not given back are gone.</summary>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        _memory.Dispose();
        _device.Dispose();
    }

    /// <summary>Gives a picture back.</summary>
    internal void Return(uint token)
    {
        if (_disposed)
            return;
        _tokens &= ~(1UL << (int)token);
        _rings.PutReturn(token);
        _signals.NoteChange();
    }

    private static ulong Pages(long bytes) => (ulong)(bytes + PageSize - 1) / PageSize * PageSize;

    private static string Refusal(uint answer, VideoCodec codec) => answer switch
    {
        Protocol.BadRequest or Protocol.BadLayout or Protocol.OpenAlready => $"the device does not understand it (answer {answer})",
        Protocol.UnknownCodec => $"the host can not decode {codec}",
        Protocol.NoResources => "the host has no memory or no thread for it",
        _ => $"the device answered {answer}",
    };

    private bool TrySend(ReadOnlySpan<byte> packet, long timestamp, uint flags)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (!_packets.TryTake((ulong)packet.Length, out var offset))
        {
            ReleaseTakenPackets();
            if (!_packets.TryTake((ulong)packet.Length, out offset))
            {
                _refused = true;
                return false;
            }
        }

        _refused = false;
        packet.CopyTo(_memory.GetSpan(Protocol.Areas + offset, packet.Length));
        _rings.PutPacket(new PacketEntry
        {
            Offset = Protocol.Areas + offset,
            Size = (uint)packet.Length,
            Flags = flags,
            Timestamp = timestamp,
        });
        _signals.NotePacket();
        return true;
    }

    /// <summary>Whether there is something to do; what the device has taken is taken note of.</summary>
    private bool HasNews() => CountOutputs() > 0 || (_refused && ReleaseTakenPackets());

    private bool ReleaseTakenPackets()
    {
        if (!_rings.TryCountTakenPackets(out var count))
            throw Lie("more packets taken than there were");
        for (var i = 0; i < count; i++)
            _packets.Release();
        return count > 0;
    }

    private uint CountOutputs() => _rings.CountOutputs() is var count && count <= Protocol.RingEntries
        ? count
        : throw Lie($"{count} outputs in a ring of {Protocol.RingEntries}");

    private DecodedFrame Accept(in OutputEntry entry)
    {
        if (entry.Token >= Protocol.RingEntries || (_tokens & (1UL << (int)entry.Token)) != 0)
            throw Lie($"a picture with token {entry.Token}, which is out already or can not be");
        if (FrameFormat.Check(entry, _framesOffset, _framesSize, out var format) is { } wrong)
            throw Lie(wrong);
        _tokens |= 1UL << (int)entry.Token;
        return new DecodedFrame(this, _memory, entry, format);
    }

    private void ThrowIfBroken()
    {
        if (_rings.Broken is var broken && broken != 0)
            throw Lie($"that this program broke the protocol ({broken}), with {BitOperations.PopCount(_tokens)} pictures and {_packets.Count} packets out");
    }

    private VideoDecoderException Lie(string what) => new(_device.Identity, "decode", $"the device says {what}");
}
