// The listing of pictures' MD5 sums that ffmpeg -f framemd5 writes.
using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;

namespace VirtioUser.Codec.Play.Writing;

/// <summary>
/// Writes version 2 of FFmpeg's format framemd5, which is the same text but for the line <c>#software</c>. Sums are made of
/// the samples where the host has put them: rows without what is between them, plane by plane. A picture for whose time ffmpeg has no place
/// in its listing has none here; see <see cref="FrameClock"/>.
/// </summary>
/// <param name="output">Where it goes; closed at the end.</param>
internal sealed class FrameMd5Writer(TextWriter output) : IFrameWriter
{
    private readonly IncrementalHash _md5 = CreateMd5();
    private FrameClock? _clock;

    /// <inheritdoc/>
    public void Write(DecodedFrame frame, long number)
    {
        if (_clock is null)
        {
            _clock = new FrameClock(frame.Stream);
            WriteHeader(_clock.TimeBase, frame.Width, frame.Height, frame.SampleAspect);
        }

        if (_clock.Next(frame.Stream, frame.Timestamp, frame.Duration) is { } time)
        {
            WriteLine(time, frame.Bytes, Hash(frame));
        }
    }

    /// <inheritdoc/>
    public void Complete(VideoStream? stream)
    {
        // ffmpeg begins a listing where it knows what the pictures would be, even if there is none.
        if (_clock is null && stream is { Width: > 0, Height: > 0 })
        {
            WriteHeader(new FrameClock(stream).TimeBase, stream.Width, stream.Height, stream.SampleAspect);
        }

        output.Flush();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _md5.Dispose();
        output.Dispose();
    }

    /// <summary>The lines before the first picture's.</summary>
    internal void WriteHeader((uint Numerator, uint Denominator) timeBase, long width, long height, (uint Numerator, uint Denominator) aspect)
    {
        var version = typeof(FrameMd5Writer).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0];
        output.Write(string.Create(
            CultureInfo.InvariantCulture,
            $"""
            #format: frame checksums
            #version: 2
            #hash: MD5
            #software: vu-play {version}
            #tb 0: {timeBase.Numerator}/{timeBase.Denominator}
            #media_type 0: video
            #codec_id 0: rawvideo
            #dimensions 0: {width}x{height}
            #sar 0: {aspect.Numerator}/{aspect.Denominator}
            #stream#, dts,        pts, duration,     size, hash

            """));
    }

    /// <summary>A picture's line.</summary>
    internal void WriteLine(long timestamp, long bytes, ReadOnlySpan<byte> hash) => output.Write(string.Create(
        CultureInfo.InvariantCulture,
        $"0, {timestamp,10}, {timestamp,10}, {1,8}, {bytes,8}, {Convert.ToHexStringLower(hash)}\n"));

#pragma warning disable CA5351 // The format is made of MD5 sums; nothing relies on them but the comparison with ffmpeg's.
    private static IncrementalHash CreateMd5() => IncrementalHash.CreateHash(HashAlgorithmName.MD5);
#pragma warning restore CA5351

    private byte[] Hash(DecodedFrame frame)
    {
        for (var plane = 0; plane < frame.Planes; plane++)
        {
            if (frame.Stride(plane) == frame.GetRow(plane, 0).Length)
            {
                _md5.AppendData(frame.GetPlane(plane));
                continue;
            }

            for (var row = 0; row < frame.PlaneHeight(plane); row++)
            {
                _md5.AppendData(frame.GetRow(plane, row));
            }
        }

        return _md5.GetHashAndReset();
    }
}
