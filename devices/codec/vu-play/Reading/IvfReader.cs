// IVF: a header, then packets with their lengths and timestamps.
using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace VirtioUser.Codec.Play.Reading;

/// <summary>Reads VP9 and AV1 from an IVF file.</summary>
internal sealed class IvfReader : VideoReader
{
    private const int HeaderLength = 32;
    private const int FrameHeaderLength = 12;

    private readonly Stream _file;
    private readonly int _packetMaximum;

    // Bytes behind the header that were read with it.
    private readonly byte[] _readBefore;
    private int _usedBefore;
    private byte[] _packet = new byte[64 << 10];
    private int _length;
    private long _number;

    /// <summary>Reads the header.</summary>
    /// <param name="file">The file, behind what was read.</param>
    /// <param name="begin">What was read.</param>
    /// <param name="packetMaximum">The largest packet, in bytes.</param>
    public IvfReader(Stream file, ReadOnlySpan<byte> begin, int packetMaximum)
    {
        if (begin.Length < HeaderLength)
            throw new VideoFileException("The IVF file ends within its header.");
        var version = BinaryPrimitives.ReadUInt16LittleEndian(begin[4..]);
        var headerLength = BinaryPrimitives.ReadUInt16LittleEndian(begin[6..]);
        if (version != 0 || headerLength != HeaderLength)
            throw new VideoFileException($"The IVF file has version {version} and a header of {headerLength} bytes, not version 0 and {HeaderLength}.");
        Codec = begin.Slice(8, 4) switch
        {
            [(byte)'V', (byte)'P', (byte)'9', (byte)'0'] => VideoCodec.Vp9,
            [(byte)'A', (byte)'V', (byte)'0', (byte)'1'] => VideoCodec.Av1,
            var code => throw new VideoFileException($"The IVF file holds {Printable(code)}, not VP90 or AV01."),
        };
        TimeBase = (BinaryPrimitives.ReadUInt32LittleEndian(begin[20..]), BinaryPrimitives.ReadUInt32LittleEndian(begin[16..]));
        if (TimeBase.Numerator == 0 || TimeBase.Denominator == 0)
            throw new VideoFileException($"The IVF file counts time in units of {TimeBase.Numerator}/{TimeBase.Denominator} seconds.");
        _file = file;
        _packetMaximum = packetMaximum;
        _readBefore = begin[HeaderLength..].ToArray();
    }

    /// <summary>The first bytes of every such file.</summary>
    public static ReadOnlySpan<byte> Signature => "DKIF"u8;

    /// <inheritdoc/>
    public override VideoCodec Codec { get; }

    /// <inheritdoc/>
    public override (uint Numerator, uint Denominator) TimeBase { get; }

    /// <inheritdoc/>
    public override bool HasTimestamps => true;

    /// <inheritdoc/>
    public override ReadOnlySpan<byte> Packet => _packet.AsSpan(0, _length);

    /// <inheritdoc/>
    public override bool TryRead()
    {
        Span<byte> header = stackalloc byte[FrameHeaderLength];
        var count = Read(header);
        if (count == 0)
            return false;
        _number++;
        if (count < FrameHeaderLength)
            throw new VideoFileException(Text($"The file ends within the header of packet {_number}."));
        var length = BinaryPrimitives.ReadUInt32LittleEndian(header);
        if (length == 0)
            throw new VideoFileException(Text($"Packet {_number} is empty."));
        if (length > _packetMaximum)
            throw new VideoFileException(Text($"Packet {_number} has {length} bytes; at most {_packetMaximum} can be sent."));
        Timestamp = BinaryPrimitives.ReadInt64LittleEndian(header[4..]);
        if (_packet.Length < length)
            _packet = new byte[Math.Max((int)length, (int)Math.Min(_packet.Length * 2L, _packetMaximum))];
        _length = (int)length;
        if (Read(_packet.AsSpan(0, _length)) < _length)
            throw new VideoFileException(Text($"The file ends within packet {_number}."));
        return true;
    }

    /// <inheritdoc/>
    public override void Dispose() => _file.Dispose();

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    // A hostile file must not reach a terminal.
    private static string Printable(ReadOnlySpan<byte> code)
    {
        var text = Encoding.ASCII.GetString(code);
        return text.All(char.IsAsciiLetterOrDigit) ? text : "0x" + Convert.ToHexStringLower(code);
    }

    private int Read(Span<byte> bytes)
    {
        var before = Math.Min(bytes.Length, _readBefore.Length - _usedBefore);
        _readBefore.AsSpan(_usedBefore, before).CopyTo(bytes);
        _usedBefore += before;
        return before + _file.ReadAtLeast(bytes[before..], bytes.Length - before, throwOnEndOfStream: false);
    }
}
