// The encoders' settings.
namespace VirtioUser.Vm;

/// <summary>The arguments by which ffmpeg compresses a clip.</summary>
internal static class ClipEncoding
{
    private const int Large = 320; // columns; below, libaom is quick enough, and takes any size

    /// <summary>Encoder and settings.</summary>
    public static IEnumerable<string> Arguments(Clip clip) =>
    [
        .. clip.Codec switch
        {
            ClipCodec.H264 => H264(clip),
            ClipCodec.Vp9 => ["-c:v", "libvpx-vp9", "-deadline", "good", "-cpu-used", "5", "-row-mt", "1", "-tile-columns", "2", "-auto-alt-ref", "1", "-lag-in-frames", "16", .. Rate("28")],
            _ when clip.Width < Large => ["-c:v", "libaom-av1", "-cpu-used", "8", "-lag-in-frames", "8", .. Rate("32")],
            _ => (string[])["-c:v", "libsvtav1", "-preset", "9", "-crf", "35"],
        },
        "-pix_fmt", clip.PixelFormat,
        .. clip.PixelFormat == "gbrp" ? (string[])[] : ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"],
    ];

    private static string[] H264(Clip clip) =>
    [
        "-c:v", clip.PixelFormat == "gbrp" ? "libx264rgb" : "libx264", "-preset", "medium", "-crf", "23", "-bf", "3",
        .. clip.Interlaced ? (string[])["-flags", "+ildct+ilme"] : [],
    ];

    private static string[] Rate(string quality) => ["-crf", quality, "-b:v", "0"];
}
