// What a run has shown.
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace VirtioUser.Codec.Play;

/// <summary>Counts while a file is decoded, and tells at the end.</summary>
internal sealed class Summary
{
    private long _begin;
    private long _end;

    public long Frames { get; set; }

    public long Errors { get; set; }

    public int Width { get; set; }

    public int Height { get; set; }

    /// <summary>Of the file, that were sent.</summary>
    public long Bytes { get; set; }

    public long Pings { get; set; }

    public long Events { get; set; }

    /// <summary>From the first bytes read to the end of the stream, with what was done with the pictures.</summary>
    public double Seconds => _begin == 0 ? 0 : Stopwatch.GetElapsedTime(_begin, _end).TotalSeconds;

    public double FramesPerSecond => Seconds > 0 ? Frames / Seconds : 0;

    /// <summary>The first bytes are read now, unless it was already.</summary>
    public void Begin()
    {
        if (_begin == 0)
        {
            _begin = Stopwatch.GetTimestamp();
        }
    }

    /// <summary>The end of the stream has come out.</summary>
    public void End() => _end = Stopwatch.GetTimestamp();

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Frames} frames of {Width} x {Height} in {Seconds:f3} s, {FramesPerSecond:f1} frames/s; {Errors} errors; {Bytes} bytes, {Pings} pings, {Events} events");

    public string ToJson()
    {
        using MemoryStream text = new();
        using (Utf8JsonWriter writer = new(text))
        {
            writer.WriteStartObject();
            writer.WriteNumber("frames", Frames);
            writer.WriteNumber("errors", Errors);
            writer.WriteNumber("width", Width);
            writer.WriteNumber("height", Height);
            writer.WriteNumber("seconds", Math.Round(Seconds, 6));
            writer.WriteNumber("framesPerSecond", Math.Round(FramesPerSecond, 3));
            writer.WriteNumber("bytes", Bytes);
            writer.WriteNumber("pings", Pings);
            writer.WriteNumber("events", Events);
            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(text.ToArray());
    }
}
