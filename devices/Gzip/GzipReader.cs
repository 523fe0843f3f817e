// Decompresses a gzip file that lies in shared memory, and accepts no damaged one.
using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;

namespace VirtioUser.Devices.Gzip;

/// <summary>
/// Reads the members of a gzip file (RFC 1952) and accepts what <c>gunzip</c> does: one member or more, each whole and with the
/// sums that its trailer names. What follows the last one and does not begin as a member is ignored.
/// </summary>
/// <remarks>
/// .NET's <see cref="GZipStream"/> does not do: to it the end of the input is the end of the file, wherever that is. Its
/// <see cref="DeflateStream"/> decompresses here, and headers and trailers are read by hand. For that the end of the compressed data must
/// be known to the byte, which <see cref="MemberInput"/> sees to.
/// </remarks>
internal ref struct GzipReader
{
    private const int HeaderLength = 10, TrailerLength = 8, Step = 1 << 30;
    private const byte FirstMagic = 0x1F, SecondMagic = 0x8B, Deflate = 8;

    // What gunzip would take for a file of another format that it knows: pack, compress, gzip 0.5, lzh.
    private static ReadOnlySpan<byte> ForeignSecondMagic => [0x1E, 0x9D, 0x9E, 0xA0];

    private readonly Ping _ping;
    private readonly ulong _inputEnd;
    private ulong _position;
    private ulong _written;

    /// <summary>Begins to read.</summary>
    /// <param name="ping">The output goes behind the input, to the end of what it names.</param>
    /// <param name="begin">Where the input begins, in bytes.</param>
    /// <param name="length">How long it is.</param>
    public GzipReader(in Ping ping, ulong begin, ulong length)
    {
        _ping = ping;
        _position = begin;
        _inputEnd = _written = begin + length;
    }

    [Flags]
    private enum Flags : byte
    {
        HeaderCrc = 2,
        Extra = 4,
        Name = 8,
        Comment = 16,
        Reserved = 0xE0,
    }

    /// <summary>Decompresses all members.</summary>
    /// <returns>How many bytes there are now behind the input.</returns>
    /// <exception cref="InvalidDataException">It is no gzip file, or a damaged one.</exception>
    /// <exception cref="EndOfStreamException">The output does not fit.</exception>
    public ulong ReadToEnd()
    {
        if (!IsMember())
        {
            throw new InvalidDataException("It does not begin as a gzip file.");
        }

        do
        {
            ReadHeader();
            ReadData();
        }
        while (IsMember());
        return _written - _inputEnd;
    }

    private readonly bool IsMember()
    {
        if (_inputEnd - _position < 2)
        {
            // A zero is padding; half of what tells whether this is a member is not.
            return _inputEnd == _position || _ping.Slice(_position, 1)[0] == 0 ? false : throw Damaged("is cut off");
        }

        var magic = _ping.Slice(_position, 2);
        var (first, second) = (magic[0], magic[1]);
        return first == FirstMagic && (second == SecondMagic || (ForeignSecondMagic.Contains(second) ? throw Damaged("is not gzip's") : false));
    }

    private void ReadHeader()
    {
        var begin = _position;
        Span<byte> header = stackalloc byte[HeaderLength];
        Take(header);
        var flags = (Flags)header[3];
        if (header[2] != Deflate || (flags & Flags.Reserved) != 0)
        {
            throw Damaged("has an unknown method or unknown flags");
        }

        if ((flags & Flags.Extra) != 0)
        {
            Span<byte> length = stackalloc byte[2];
            Take(length);
            Skip(BinaryPrimitives.ReadUInt16LittleEndian(length));
        }

        if ((flags & Flags.Name) != 0)
        {
            SkipText();
        }

        if ((flags & Flags.Comment) != 0)
        {
            SkipText();
        }

        if ((flags & Flags.HeaderCrc) != 0)
        {
            var sum = (ushort)SumOf(begin, _position).GetCurrentHashAsUInt32();
            Span<byte> expected = stackalloc byte[2];
            Take(expected);
            if (sum != BinaryPrimitives.ReadUInt16LittleEndian(expected))
            {
                throw Damaged("has another header sum");
            }
        }
    }

    private void ReadData()
    {
        var begin = _written;

        // Nearly always the member is the last thing in the input, and this is where its data ends.
        var exactFrom = _inputEnd - Math.Min(_inputEnd - _position, TrailerLength + 1);
        if (!TryInflate(exactFrom, out var input))
        {
            // It ends earlier, somewhere in the chunk that was read last.
            _written = begin;
            if (!TryInflate(input.LastRead, out input))
            {
                throw Damaged("changed meanwhile");
            }
        }

        _position = input.Taken;
        Span<byte> trailer = stackalloc byte[TrailerLength];
        Take(trailer);
        if (BinaryPrimitives.ReadUInt32LittleEndian(trailer) != SumOf(begin, _written).GetCurrentHashAsUInt32() ||
            BinaryPrimitives.ReadUInt32LittleEndian(trailer[4..]) != unchecked((uint)(_written - begin)))
        {
            throw Damaged("has another sum or length");
        }
    }

    /// <summary>Decompresses the data of a member.</summary>
    /// <param name="exactFrom">From which byte of the input on the end is to be found to the byte.</param>
    /// <param name="input">What was read.</param>
    /// <returns>False if the data ended before that: in the chunk that was read last.</returns>
    private bool TryInflate(ulong exactFrom, out MemberInput input)
    {
        // Of the ping: what is named from its beginning to the end of the input.
        input = new MemberInput(_ping.OpenStream(0, _inputEnd), _position, exactFrom);
        using var inflate = new DeflateStream(input, CompressionMode.Decompress);
        Span<byte> one = stackalloc byte[1];
        while (true)
        {
            var room = _ping.Slice(_written, (int)Math.Min(Step, _ping.Length - _written));
            var count = inflate.Read(room.IsEmpty ? one : room);
            if (count == 0)
            {
                break;
            }

            if (room.IsEmpty)
            {
                throw new EndOfStreamException("The output does not fit.");
            }

            _written += (ulong)count;
        }

        return !input.HasEnded ? input.LastRead >= exactFrom : throw Damaged("is cut off");
    }

    private readonly Crc32 SumOf(ulong begin, ulong end)
    {
        var sum = new Crc32();
        while (begin < end)
        {
            var part = _ping.Slice(begin, (int)Math.Min(Step, end - begin));
            sum.Append(part);
            begin += (ulong)part.Length;
        }

        return sum;
    }

    private void SkipText()
    {
        while (true)
        {
            var part = _ping.Slice(_position, (int)Math.Min(4096, _inputEnd - _position));
            var end = part.IndexOf((byte)0);
            Skip(end >= 0 ? (uint)end + 1 : (uint)part.Length);
            if (end >= 0)
            {
                return;
            }

            if (part.IsEmpty)
            {
                throw Damaged("is cut off");
            }
        }
    }

    private void Take(scoped Span<byte> destination)
    {
        var begin = _position;
        Skip((uint)destination.Length);
        _ping.Slice(begin, destination.Length).CopyTo(destination);
    }

    private void Skip(uint count)
    {
        if (count > _inputEnd - _position)
        {
            throw Damaged("is cut off");
        }

        _position += count;
    }

    private static InvalidDataException Damaged(string how) => new($"A member of the gzip file {how}.");
}
