// Shared memory for everything in .NET that reads or writes a stream.
namespace VirtioUser.Devices;

/// <summary>
/// A seekable stream of fixed length over a range, without a buffer of its own. Not thread-safe, as streams
/// are. It is to be used as long as the bytes that it was made from.
/// </summary>
internal sealed class SharedRangeStream(SharedRange range) : Stream
{
    private long _position;

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => true;

    public override long Length => checked((long)range.Length);

    public override long Position
    {
        get => _position;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(value, Length);
            _position = value;
        }
    }

    public override int Read(Span<byte> buffer)
    {
        var part = Next(buffer.Length);
        part.CopyTo(buffer);
        _position += part.Length;
        return part.Length;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        var part = Next(buffer.Length);
        if (part.Length < buffer.Length)
            throw new EndOfStreamException($"{buffer.Length} bytes do not fit behind the {_position} of {Length} bytes already used.");
        buffer.CopyTo(part);
        _position += part.Length;
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override long Seek(long offset, SeekOrigin origin) => Position = checked(offset + origin switch
    {
        SeekOrigin.Begin => 0,
        SeekOrigin.Current => _position,
        SeekOrigin.End => Length,
        _ => throw new ArgumentOutOfRangeException(nameof(origin)),
    });

    public override void SetLength(long value) => throw new NotSupportedException("Shared memory does not change its length.");

    public override void Flush()
    {
    }

    private Span<byte> Next(int wanted) => range.Slice((ulong)_position, (int)Math.Min(wanted, Length - _position));
}
