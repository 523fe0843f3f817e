// H.264 as a byte stream: where an access unit ends and the next begins.
namespace VirtioUser.Codec.Play.Reading;

/// <summary>
/// Reads access units from a byte stream as Annex B of H.264 has it. Each packet begins with a start code and ends where the
/// next access unit begins (section 7.4.1.2.3): at the first unit that can only come before a picture, or at a slice that
/// is the first of a picture, once there was a slice. Slices in arbitrary order are not told apart, nor does libavcodec decode them.
/// </summary>
internal sealed class AnnexBReader : VideoReader
{
    private const int ReadLength = 256 << 10;

    // A start code, the unit's header, and the byte that tells whether a slice is the first.
    private const int UnitBegin = 5;

    private readonly Stream _file;
    private readonly int _packetMaximum;
    private byte[] _buffer = new byte[2 * ReadLength];
    private int _filled;
    private bool _atEnd;

    // The packet that was given out, where the next begins, and up to where that one was looked through.
    private int _packet;
    private int _begin;
    private int _scanned;
    private bool _hasSlice;
    private long _count;

    /// <summary>Begins to read.</summary>
    /// <param name="file">The file, behind what was read.</param>
    /// <param name="begin">What was read.</param>
    /// <param name="packetMaximum">The largest packet, in bytes.</param>
    public AnnexBReader(Stream file, ReadOnlySpan<byte> begin, int packetMaximum)
    {
        _file = file;
        _packetMaximum = packetMaximum;
        begin.CopyTo(_buffer);
        _filled = begin.Length;
    }

    /// <inheritdoc/>
    public override VideoCodec Codec => VideoCodec.H264;

    /// <summary>A byte stream has no time; this is what ffmpeg takes it for.</summary>
    public override (uint Numerator, uint Denominator) TimeBase => (1, 25);

    /// <inheritdoc/>
    public override bool HasTimestamps => false;

    /// <inheritdoc/>
    public override ReadOnlySpan<byte> Packet => _buffer.AsSpan(_packet, _begin - _packet);

    private static ReadOnlySpan<byte> StartCode => [0, 0, 1];

    /// <inheritdoc/>
    public override bool TryRead()
    {
        _packet = _begin;
        while (true)
        {
            var found = _buffer.AsSpan(_scanned, _filled - _scanned).IndexOf(StartCode);
            var unit = found < 0 ? Math.Max(_scanned, _filled - StartCode.Length + 1) : _scanned + found;
            if (found < 0 || unit + UnitBegin > _filled)
            {
                // What is behind it does not matter any more, or is not there yet.
                _scanned = unit;
                if (Fill())
                    continue;
                if (found < 0 || unit + StartCode.Length == _filled)
                    return Take(_filled);
            }

            var isSlice = IsSlice(unit, out var isFirst);
            if (_hasSlice && (isSlice ? isFirst : BeginsAccessUnit(TypeOf(unit))))
            {
                _scanned = unit;

                // The zero before a start code of four bytes belongs to it.
                return Take(unit > _packet && _buffer[unit - 1] == 0 ? unit - 1 : unit);
            }

            _hasSlice |= isSlice;
            _scanned = unit + StartCode.Length;
        }
    }

    /// <inheritdoc/>
    public override void Dispose() => _file.Dispose();

    /// <summary>Whether a unit of a type stands before the slices of a picture (Table 7-1 and section 7.4.1.2.3).</summary>
    private static bool BeginsAccessUnit(int type) => type is (>= 6 and <= 9) or (>= 14 and <= 18);

    private int TypeOf(int unit) => _buffer[unit + StartCode.Length] & 0x1f;

    /// <summary>Whether a unit is a slice (or partition A of one), and whether its first macroblock is that of the picture: 0, which is coded as a 1 bit.</summary>
    private bool IsSlice(int unit, out bool isFirst)
    {
        isFirst = unit + UnitBegin <= _filled && (_buffer[unit + UnitBegin - 1] & 0x80) != 0;
        return TypeOf(unit) is 1 or 2 or 5;
    }

    /// <summary>Ends the packet; what no slice came with, at the end of the file, is no picture.</summary>
    private bool Take(int end)
    {
        if (!_hasSlice)
            return _count > 0 ? false : throw new VideoFileException("There is no picture in the H.264 stream.");
        if (end - _packet > _packetMaximum)
            throw TooLarge();
        _begin = end;
        _hasSlice = false;
        Timestamp = _count++;
        return true;
    }

    /// <summary>Reads on.</summary>
    /// <returns>False at the end of the file.</returns>
    private bool Fill()
    {
        if (_atEnd)
            return false;
        if (_filled - _packet > _packetMaximum)
            throw TooLarge();
        if (_buffer.Length - _filled < ReadLength)
        {
            // What was given out before is not needed any more. Growing by doubles, so that nothing is moved often.
            var kept = _filled - _packet;
            var target = kept + ReadLength <= _buffer.Length / 2 ? _buffer : new byte[_buffer.Length * 2];
            _buffer.AsSpan(_packet, kept).CopyTo(target);
            _buffer = target;
            _scanned -= _packet;
            _filled = kept;
            _begin = _packet = 0;
        }

        var count = _file.Read(_buffer, _filled, _buffer.Length - _filled);
        _filled += count;
        _atEnd = count == 0;
        return !_atEnd;
    }

    private VideoFileException TooLarge() => new($"Access unit {_count + 1} has more than {_packetMaximum} bytes.");
}
