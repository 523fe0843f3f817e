// A decoder on the host.
using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using Virtio.Linux;
using VirtioUser.Guest;

namespace VirtioUser.Codec;

/// <summary>
/// Decodes one stream, or one after the other, by the codec device: the bytes of a file go in as they are, pictures come out, in the
/// order in which they are to be shown. Which kind of stream it is, and where its pictures begin and end, the host finds out.
/// </summary>
/// <remarks>
/// <para>A program sends as many bytes as are taken, takes what has come out, and waits when it can do neither:</para>
/// <code>
/// while (!ended)
/// {
///     while (!bytes.IsEmpty &amp;&amp; decoder.TrySend(bytes) is var count and > 0)
///         bytes = bytes.Length > count ? bytes[count..] : next();
///     if (decoder.TryTake(out var output))
///         ended = show(output);
///     else
///         decoder.Wait();
/// }
/// </code>
/// <para>The first picture comes out after some of those that follow it, or the end, were sent. To find out what a stream is the host looks
/// at a few packets of IVF, and at five seconds of H.264 as a byte stream, which does not say it; at no more than 5 MB.</para>
/// <para>Pictures that are not given back use up the room of the decoder. A program that waits for the next picture while it keeps
/// all the others gets <see cref="DecoderError.NoRoom"/> where there is not <see cref="VideoDecoderOptions.FrameMemory"/> enough: who waits
/// says by it that nothing is given back before.</para>
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
    private readonly InputArea _input;
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
        {
            throw new PlatformNotSupportedException("The rings are little-endian, and so must be this machine.");
        }

        _device = device;
        _outputBatch = (uint)options.OutputBatch;
        _input = new InputArea(Pages(options.InputMemory));
        _framesOffset = Protocol.Areas + _input.Size;
        _framesSize = Pages(options.FrameMemory);
        _memory = Allocate(device, _framesOffset + _framesSize, _framesSize);
        _rings = new SharedRings(_memory);
        _signals = new DeviceSignals(device, _rings);
        SetupEntry setup = new()
        {
            Threads = (uint)options.Threads,
            DataOffset = Protocol.Areas,
            DataSize = _input.Size,
            FramesOffset = _framesOffset,
            FramesSize = _framesSize,
        };
        MemoryMarshal.Write(_memory.GetSpan(0, Marshal.SizeOf<SetupEntry>()), in setup);
        if (_signals.Ask(new PingRequest(_memory, Protocol.Open)) is var answer && answer != Protocol.Ok)
        {
            throw new VideoDecoderException(device.Identity, "open the decoder", Refusal(answer, _framesSize));
        }
    }

    /// <summary>What the host has found out about the stream whose outputs come now; null before it has.</summary>
    public VideoStream? Stream { get; private set; }

    /// <summary>How many pings were sent.</summary>
    public long PingsSent => _signals.PingsSent;

    /// <summary>How many events of the device were received.</summary>
    public long EventsReceived => _signals.EventsReceived;

    /// <summary>Opens the device and sets up a decoder.</summary>
    /// <param name="options">How to decode.</param>
    /// <param name="source">Where to look for the device; null = <see cref="DeviceSource.Default"/>.</param>
    /// <exception cref="VirtioUserException">There is no such device, it cannot be opened, or the host has no room for the memory.</exception>
    /// <exception cref="VideoDecoderException">The host has no room for another decoder.</exception>
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

    /// <summary>
    /// Sends bytes of the stream, as many as there is room for. They are copied. The host may notice them only when the program looks for
    /// outputs.
    /// </summary>
    /// <param name="bytes">The bytes, at least one.</param>
    /// <returns>How many were sent: 0 if the host has not taken enough of the earlier ones.</returns>
    /// <exception cref="ArgumentException">There is no byte.</exception>
    public int TrySend(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
        {
            throw new ArgumentException("There is nothing to send. The end of a stream is sent by TrySendEnd.", nameof(bytes));
        }

        return TrySend(bytes[..Math.Min(bytes.Length, Protocol.ChunkMax)], flags: 0) ?? 0;
    }

    /// <summary>
    /// Sends the end of the stream, if there is room: what the decoder keeps back comes out, then an output that is
    /// <see cref="DecoderOutputKind.End"/>. What is sent after it is a new stream.
    /// </summary>
    /// <returns>False if it was not sent, because the host has not taken enough of the earlier bytes.</returns>
    public bool TrySendEnd() => TrySend([], Protocol.ChunkEnd) is not null;

    /// <summary>Sends bytes of the stream; waits for room if need be, but not longer than until something has come out.</summary>
    /// <param name="bytes">The bytes, at least one.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>How many were sent. If they were not all: take what has come out, then send the others.</returns>
    /// <exception cref="ArgumentException">There is no byte.</exception>
    public int Send(ReadOnlySpan<byte> bytes, CancellationToken cancellationToken = default)
    {
        var sent = TrySend(bytes);
        while (sent < bytes.Length && CountOutputs() == 0)
        {
            if (TrySend(bytes[sent..]) is var more and > 0)
            {
                sent += more;
            }
            else
            {
                Wait(cancellationToken);
            }
        }

        return sent;
    }

    /// <summary>Takes what has come out, if anything has; makes the host notice bytes that were sent and pictures that were given back.</summary>
    /// <param name="output">A picture, an error or the end of the stream.</param>
    /// <returns>False if there is nothing yet.</returns>
    public bool TryTake(out DecoderOutput output)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        output = default;
        _signals.Tell();
        Span<byte> bytes = stackalloc byte[OutputEntry.Length];
        while (CountOutputs() != 0)
        {
            _rings.TakeOutput(bytes);
            _signals.NoteChange();
            var entry = OutputEntry.Read(bytes);
            if (entry.Type == Protocol.OutputStream)
            {
                Stream = VideoStream.Of(new StreamEntry(bytes)) ?? throw Lie("a stream whose times make no sense");
                continue;
            }

            output = entry.Type switch
            {
                Protocol.OutputFrame => new() { Kind = DecoderOutputKind.Frame, Frame = Accept(entry) },
                Protocol.OutputError => Describe(entry),
                Protocol.OutputEnd => new() { Kind = DecoderOutputKind.End },
                var type => throw Lie($"an output of type {type}"),
            };
            return true;
        }

        ThrowIfBroken();
        return false;
    }

    /// <summary>Waits for the next output. All bytes that it needs must have been sent.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    public DecoderOutput Take(CancellationToken cancellationToken = default)
    {
        DecoderOutput output;
        while (!TryTake(out output))
        {
            Wait(cancellationToken);
        }

        return output;
    }

    /// <summary>
    /// Waits until <see cref="TryTake"/> has something, or, if the last bytes found no room, until there may be room. Can
    /// return without a reason.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    public void Wait(CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        cancellationToken.ThrowIfCancellationRequested();
        _signals.Tell();
        if (HasNews())
        {
            return;
        }

        _rings.Want(
            _refused ? Protocol.EventOutput | Protocol.EventSpace : Protocol.EventOutput,
            _outputBatch,
            Math.Max(1, _rings.ChunksPending / 2));

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
        {
            return;
        }

        _disposed = true;
        _memory.Dispose();
        _device.Dispose();
    }

    /// <summary>Gives a picture back.</summary>
    internal void Return(uint token)
    {
        if (_disposed)
        {
            return;
        }

        _tokens &= ~(1UL << (int)token);
        _rings.PutReturn(token);
        _signals.NoteChange();
    }

    private static ulong Pages(long bytes) => (ulong)(bytes + PageSize - 1) / PageSize * PageSize;

    private static SharedObject Allocate(VirtioUserDevice device, ulong size, ulong framesSize)
    {
        try
        {
            return device.Allocate(size);
        }
        catch (VirtioUserException e) when (e.Errno == Errno.ENOMEM)
        {
            throw new VirtioUserException(device.Identity.ToString(), "allocate", Errno.ENOMEM, MemoryProbe.Describe(device, size, framesSize), e);
        }
    }

    private static string Refusal(uint answer, ulong framesSize) => answer switch
    {
        Protocol.BadRequest or Protocol.BadLayout or Protocol.OpenAlready => $"the device does not understand it (answer {answer})",
        Protocol.NoResources => string.Create(
            CultureInfo.InvariantCulture,
            $"the host has no memory or no thread for another decoder with {framesSize} bytes for pictures; all decoders together may have 4 GiB, of which 1 GiB counts for each"),
        _ => $"the device answered {answer}",
    };

    private int? TrySend(ReadOnlySpan<byte> bytes, uint flags)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (!_input.TryTake((ulong)bytes.Length, out var offset, out var length))
        {
            ReleaseTakenChunks();
            if (!_input.TryTake((ulong)bytes.Length, out offset, out length))
            {
                _refused = true;
                return null;
            }
        }

        _refused = false;
        bytes[..(int)length].CopyTo(_memory.GetSpan(Protocol.Areas + offset, (int)length));
        _rings.PutChunk(new ChunkEntry { Offset = Protocol.Areas + offset, Size = (uint)length, Flags = flags });
        _signals.NoteChunk();
        return (int)length;
    }

    /// <summary>Whether there is something to do; what the device has taken is taken note of.</summary>
    private bool HasNews() => CountOutputs() > 0 || (_refused && ReleaseTakenChunks());

    private bool ReleaseTakenChunks()
    {
        if (!_rings.TryCountTakenChunks(out var count))
        {
            throw Lie("more chunks taken than there were");
        }

        for (var i = 0; i < count; i++)
        {
            _input.Release();
        }

        return count > 0;
    }

    private uint CountOutputs() => _rings.CountOutputs() is var count && count <= Protocol.RingEntries
        ? count
        : throw Lie($"{count} outputs in a ring of {Protocol.RingEntries}");

    private DecoderOutput Describe(in OutputEntry entry) => new()
    {
        Kind = DecoderOutputKind.Error,
        Error = (DecoderError)entry.Error,
        BytesNeeded = (DecoderError)entry.Error == DecoderError.NoRoom ? entry.Needed : 0,
        FourCC = (DecoderError)entry.Error == DecoderError.Unknown ? (uint)entry.Needed : 0,
        BytesThere = (DecoderError)entry.Error == DecoderError.NoRoom ? _framesSize : 0,
    };

    private DecodedFrame Accept(in OutputEntry entry)
    {
        if (entry.Token >= Protocol.RingEntries || (_tokens & (1UL << (int)entry.Token)) != 0)
        {
            throw Lie($"a picture with token {entry.Token}, which is out already or cannot be");
        }

        if (FrameFormat.Check(entry, _framesOffset, _framesSize, out var format) is { } wrong)
        {
            throw Lie(wrong);
        }

        var stream = Stream ?? throw Lie("a picture before its stream");
        _tokens |= 1UL << (int)entry.Token;
        return new DecodedFrame(this, _memory, stream, entry, format);
    }

    private void ThrowIfBroken()
    {
        if (_rings.Broken is var broken && broken != 0)
        {
            throw Lie($"that this program broke the protocol ({broken}), with {BitOperations.PopCount(_tokens)} pictures and {_input.Count} chunks out");
        }
    }

    private VideoDecoderException Lie(string what) => new(_device.Identity, "decode", $"the device says {what}");
}
