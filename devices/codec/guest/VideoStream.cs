// What the host has found out about a stream.
namespace VirtioUser.Codec;

/// <summary>What is known of a stream before its pictures.</summary>
public sealed record VideoStream
{
    /// <summary>How it is coded. A later host may have values that are not named here.</summary>
    public required VideoCodec Codec { get; init; }

    /// <summary>The unit of timestamps, in seconds, as a fraction.</summary>
    public required (uint Numerator, uint Denominator) TimeBase { get; init; }

    /// <summary>Pictures in a second, as a fraction, as far as can be told; 0 to 1 = not known.</summary>
    public required (uint Numerator, uint Denominator) FrameRate { get; init; }

    /// <summary>In samples, as the stream's beginning says; each picture has its own. 0 = not known.</summary>
    public required long Width { get; init; }

    /// <summary>As the width.</summary>
    public required long Height { get; init; }

    /// <summary>The width of a sample divided by its height, as a fraction; 0 to 1 = not known.</summary>
    public required (uint Numerator, uint Denominator) SampleAspect { get; init; }

    /// <summary>Makes it of the device's words.</summary>
    /// <returns>Null if they make no sense.</returns>
    internal static VideoStream? Of(StreamEntry entry)
    {
        if (entry.TimeBase.Numerator is 0 or > int.MaxValue || entry.TimeBase.Denominator is 0 or > int.MaxValue
            || entry.Rate.Numerator > int.MaxValue || entry.Rate.Denominator is 0 or > int.MaxValue || entry.Aspect.Denominator == 0)
        {
            return null;
        }

        return new VideoStream
        {
            Codec = (VideoCodec)entry.Codec,
            TimeBase = entry.TimeBase,
            FrameRate = entry.Rate,
            Width = entry.Width,
            Height = entry.Height,
            SampleAspect = entry.Aspect,
        };
    }
}
