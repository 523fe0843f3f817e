// What a clip is like.
using System.Globalization;

namespace VirtioUser.Vm;

/// <summary>How a clip is compressed, and so what its file is: H.264 is a byte stream (Annex B), the others are IVF.</summary>
public enum ClipCodec
{
    /// <summary>H.264, by x264 with B-frames.</summary>
    H264,

    /// <summary>VP9, by libvpx with hidden reference frames.</summary>
    Vp9,

    /// <summary>AV1, by libaom, or by SVT-AV1 where the picture is large.</summary>
    Av1,
}

/// <summary>A clip to be made of the photographs: they move, come nearer, and change into one another. 25 pictures a second.</summary>
/// <param name="Codec">How it is compressed.</param>
/// <param name="Width">Columns of a picture.</param>
/// <param name="Height">Rows of a picture.</param>
/// <param name="Frames">Number of pictures.</param>
public sealed record Clip(ClipCodec Codec, int Width, int Height, int Frames)
{
    /// <summary>The kind of samples, as FFmpeg names it.</summary>
    public string PixelFormat { get; init; } = "yuv420p";

    /// <summary>True if the two fields of a picture are taken one after the other (H.264).</summary>
    public bool Interlaced { get; init; }

    /// <summary>The size of the second half of the pictures, if it is another.</summary>
    public (int Width, int Height)? ThenSize { get; init; }

    /// <summary>How many times over the same pictures come, in one file.</summary>
    public int Times { get; init; } = 1;

    /// <summary>The clip's name: codec, size, and what is special; letters, digits and "-".</summary>
    public string Name => string.Join(
        '-',
        new[]
        {
            Codec.ToString().ToLowerInvariant(),
            SizeName(Width, Height),
            ThenSize is { } then ? "then-" + SizeName(then.Width, then.Height) : "",
            PixelFormat == "yuv420p" ? "" : PixelFormat,
            Interlaced ? "interlaced" : "",
            Times == 1 ? "" : string.Create(CultureInfo.InvariantCulture, $"x{Times}"),
        }.Where(word => word.Length > 0));

    /// <summary>The name of the clip's file.</summary>
    public string FileName => Name + (Codec == ClipCodec.H264 ? ".h264" : ".ivf");

    private static string SizeName(int width, int height) => string.Create(CultureInfo.InvariantCulture, $"{width}x{height}");
}
