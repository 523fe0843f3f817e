// At which numbers ffmpeg lists pictures.
using System.Numerics;

namespace VirtioUser.Codec.Play.Writing;

/// <summary>
/// Puts pictures into places that are a picture's time apart, as ffmpeg does between decoding and its format framemd5
/// (<c>-fps_mode vfr</c>, which is its own choice for that format): places stay empty where pictures are missing, and a picture that comes too
/// late for the next free place is left out.
/// </summary>
internal sealed class FrameClock
{
    private static readonly (uint Numerator, uint Denominator) UsualRate = (25, 1);

    private readonly double _unit;
    private readonly (uint Numerator, uint Denominator) _rate;
    private long _next;

    /// <summary>Begins a listing.</summary>
    /// <param name="stream">The stream of the first picture.</param>
    public FrameClock(VideoStream stream)
    {
        _rate = stream.FrameRate.Numerator == 0 ? UsualRate : stream.FrameRate;
        var divisor = (uint)BigInteger.GreatestCommonDivisor(_rate.Numerator, _rate.Denominator);
        TimeBase = (_rate.Denominator / divisor, _rate.Numerator / divisor);
        _unit = Value((_rate.Denominator, _rate.Numerator));
    }

    /// <summary>What is between two places, in seconds, as a fraction.</summary>
    public (uint Numerator, uint Denominator) TimeBase { get; }

    /// <summary>Finds the place of the next picture.</summary>
    /// <param name="stream">The picture's stream.</param>
    /// <param name="timestamp">When it is to be shown, in the stream's units.</param>
    /// <param name="duration">For how long, in the stream's units; 0 = not known.</param>
    /// <returns>The place's number, or null if there is none.</returns>
    public long? Next(VideoStream stream, long? timestamp, long duration)
    {
        if (timestamp is null)
        {
            return null;
        }

        var length = Length(stream, duration);
        var time = Time(stream, timestamp.Value);
        var late = time - _next + length;
        if (time < _next && late > 0)
        {
            // It begins before the place and ends in it.
            time = _next;
        }

        const double most = 0.6; // of a place
        if (late <= -most)
        {
            return null;
        }

        if (late > most)
        {
            _next = (long)Math.Round(time, MidpointRounding.ToEven);
        }

        return _next++;
    }

    private static double Value((uint Numerator, uint Denominator) fraction) => fraction.Numerator / (double)fraction.Denominator;

    /// <summary>A number times a fraction, rounded; halves away from zero. As with FFmpeg, what is too large becomes the smallest number.</summary>
    private static long Scale(long value, Int128 numerator, Int128 denominator)
    {
        var quotient = ((Int128.Abs(value) * numerator) + (denominator / 2)) / denominator;
        return quotient > long.MaxValue ? long.MinValue : (long)(value < 0 ? -quotient : quotient);
    }

    /// <summary>When a picture begins, in places; a little off the middle between two of them, so that both sides round alike.</summary>
    private double Time(VideoStream stream, long timestamp)
    {
        const int wanted = 29, most = 16; // bits behind the point
        var bits = Math.Clamp(wanted - BitOperations.Log2(_rate.Numerator), 0, most);
        var time = (double)Scale(timestamp, (Int128)stream.TimeBase.Numerator * ((Int128)_rate.Numerator << bits), (Int128)_rate.Denominator * stream.TimeBase.Denominator);
        time /= 1 << bits;
        return time + (Math.Sign(time) * 1.0 / (1 << 17));
    }

    /// <summary>For how long a picture is shown, in places.</summary>
    private double Length(VideoStream stream, long duration)
    {
        var rounded = MathF.Round((float)(duration * Value(stream.TimeBase) / _unit), MidpointRounding.ToEven);
        if (rounded > 0)
        {
            return rounded;
        }

        return stream.FrameRate.Numerator == 0 ? 0 : Math.Min(1 / (Value(stream.FrameRate) * _unit), 1 / (Value(_rate) * _unit));
    }
}
