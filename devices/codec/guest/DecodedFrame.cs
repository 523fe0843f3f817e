// A picture where the host has decoded it.
using VirtioUser.Guest;

namespace VirtioUser.Codec;

/// <summary>
/// A picture in memory that is shared with the host. Nothing is copied: <see cref="Dispose"/> gives the memory back, and a picture
/// that is kept is memory that the decoder cannot use. At most 64 can be kept.
/// </summary>
/// <remarks>
/// Samples of 8 bits take a byte, deeper ones the low bits of two bytes, little-endian. The format was checked, the samples are what
/// the host writes: with less than 16 bits they can be larger than the depth allows, and a host that does not keep to the
/// protocol can change them at any time. Not thread-safe; belongs to its decoder's thread.
/// </remarks>
public sealed class DecodedFrame : IDisposable
{
    private readonly SharedObject _memory;
    private readonly FrameFormat _format;
    private readonly OutputEntry _entry;
    private VideoDecoder? _decoder;

    internal DecodedFrame(VideoDecoder decoder, SharedObject memory, VideoStream stream, in OutputEntry entry, in FrameFormat format) =>
        (_decoder, _memory, Stream, _entry, _format) = (decoder, memory, stream, entry, format);

    /// <summary>In samples of the first plane.</summary>
    public int Width => _format.Width;

    /// <summary>In rows of the first plane.</summary>
    public int Height => _format.Height;

    /// <summary>How many planes there are, 1 to 4: Y; Y, U, V; or G, B, R; then alpha.</summary>
    public int Planes => _format.Planes;

    /// <summary>The bits of a sample, 8 to 16.</summary>
    public int Bits => _format.Bits;

    /// <summary>1 for samples of 8 bits, otherwise 2.</summary>
    public int BytesPerSample => _format.BytesPerSample;

    /// <summary>How many times planes 1 and 2 have half the columns of plane 0, rounded up.</summary>
    public int ChromaShiftX => _format.ChromaShiftX;

    /// <summary>How many times planes 1 and 2 have half the rows of plane 0, rounded up.</summary>
    public int ChromaShiftY => _format.ChromaShiftY;

    /// <summary>The stream that the picture belongs to, as far as it was known when the picture came out.</summary>
    public VideoStream Stream { get; }

    /// <summary>When to show it, in units of <see cref="VideoStream.TimeBase"/>; null if the host cannot tell.</summary>
    public long? Timestamp => _entry.Timestamp == Protocol.NoTime ? null : _entry.Timestamp;

    /// <summary>For how long to show it, in units of <see cref="VideoStream.TimeBase"/>; 0 = not known.</summary>
    public long Duration => _entry.Duration;

    /// <summary>How RGB is made of it: MatrixCoefficients of ITU-T H.273; 2 = not known.</summary>
    public int Matrix => (int)_entry.Matrix;

    /// <summary>The width of a sample divided by its height, as a fraction; 0 to 1 = not known.</summary>
    public (uint Numerator, uint Denominator) SampleAspect =>
        _entry.AspectDenominator == 0 ? (0, 1) : (_entry.AspectNumerator, _entry.AspectDenominator);

    /// <summary>Whether decoding can begin here.</summary>
    public bool IsKey => HasFlag(Protocol.FrameKey);

    /// <summary>Whether parts are missing or were concealed.</summary>
    public bool IsCorrupt => HasFlag(Protocol.FrameCorrupt);

    /// <summary>Whether samples use all values; otherwise 16 to 235 of 8 bits (chroma to 240), and so on.</summary>
    public bool IsFullRange => HasFlag(Protocol.FrameFullRange);

    /// <summary>Whether the planes are green, blue and red.</summary>
    public bool IsRgb => HasFlag(Protocol.FrameRgb);

    /// <summary>Bytes of all samples.</summary>
    public long Bytes
    {
        get
        {
            long sum = 0;
            for (var plane = 0; plane < Planes; plane++)
            {
                sum += (long)_format.RowBytes(plane) * PlaneHeight(plane);
            }

            return sum;
        }
    }

    /// <summary>Columns of a plane.</summary>
    /// <param name="plane">Its number.</param>
    public int PlaneWidth(int plane) => _format.PlaneWidth(Checked(plane));

    /// <summary>Rows of a plane.</summary>
    /// <param name="plane">Its number.</param>
    public int PlaneHeight(int plane) => _format.PlaneHeight(Checked(plane));

    /// <summary>Bytes from the beginning of a row of a plane to the next: not fewer than those of its samples.</summary>
    /// <param name="plane">Its number.</param>
    public long Stride(int plane) => _entry.Stride[Checked(plane)];

    /// <summary>The samples of a row, in the shared memory. Must not be used after <see cref="Dispose"/>.</summary>
    /// <param name="plane">The plane's number.</param>
    /// <param name="row">The row's number.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such plane or row.</exception>
    /// <exception cref="ObjectDisposedException">The picture was given back, or the decoder disposed.</exception>
    public ReadOnlySpan<byte> GetRow(int plane, int row)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, PlaneHeight(plane));
        ObjectDisposedException.ThrowIf(_decoder is null, this);
        return _memory.GetSpan(_entry.Plane[plane] + ((ulong)_entry.Stride[plane] * (uint)row), _format.RowBytes(plane));
    }

    /// <summary>
    /// A plane from its first sample to its last, with what is between the rows, in the shared memory. Must not be used after
    /// <see cref="Dispose"/>.
    /// </summary>
    /// <param name="plane">The plane's number.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such plane.</exception>
    /// <exception cref="ObjectDisposedException">The picture was given back, or the decoder disposed.</exception>
    /// <exception cref="OverflowException">It has more than 2 GiB - 1 bytes: take rows with <see cref="GetRow"/>.</exception>
    public ReadOnlySpan<byte> GetPlane(int plane)
    {
        var length = checked((int)((Stride(plane) * (PlaneHeight(plane) - 1)) + _format.RowBytes(plane)));
        ObjectDisposedException.ThrowIf(_decoder is null, this);
        return _memory.GetSpan(_entry.Plane[plane], length);
    }

    /// <summary>Gives the memory back to the decoder.</summary>
    public void Dispose()
    {
        var decoder = _decoder;
        _decoder = null;
        decoder?.Return(_entry.Token);
    }

    private bool HasFlag(uint flag) => (_entry.Flags & flag) != 0;

    private int Checked(int plane)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(plane);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(plane, Planes);
        return plane;
    }
}
