// What a decompressor reads, in such a way that one knows how far it came.
namespace VirtioUser.Devices.Gzip;

/// <summary>
/// Gives a <see cref="System.IO.Compression.DeflateStream"/> its input, in chunks at first and then byte by byte. It takes no more than it
/// needs: it asks for more only when all that it has is used up, and not once the compressed data has ended. So if that
/// ends where bytes are given one by one, <see cref="Taken"/> is the end.
/// </summary>
/// <param name="source">The input; disposed of with this. It ends where the input ends.</param>
/// <param name="begin">Where the compressed data begins in it, in bytes.</param>
/// <param name="exactFrom">From where on bytes are given one by one.</param>
internal sealed class MemberInput(Stream source, ulong begin, ulong exactFrom) : Stream
{
    /// <summary>How far the input was read, in bytes.</summary>
    public ulong Taken { get; private set; } = begin;

    /// <summary>Where the last read began.</summary>
    public ulong LastRead { get; private set; } = begin;

    /// <summary>Whether more was wanted than there is.</summary>
    public bool HasEnded { get; private set; }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(Span<byte> buffer)
    {
        var wanted = Taken >= exactFrom ? 1 : (int)Math.Min((ulong)buffer.Length, exactFrom - Taken);
        source.Position = (long)Taken;
        var count = source.Read(buffer[..wanted]);
        LastRead = Taken;
        Taken += (ulong)count;
        HasEnded |= count == 0;
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        source.Dispose();
        base.Dispose(disposing);
    }
}
