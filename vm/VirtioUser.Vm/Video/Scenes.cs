// Moving pictures from photographs, by FFmpeg's filters.
using System.Globalization;

namespace VirtioUser.Vm;

/// <summary>The arguments by which ffmpeg makes moving pictures of photographs.</summary>
internal static class Scenes
{
    private const int Usual = 62; // pictures from a scene's beginning to that of the next
    private const int Milliseconds = 1000 / 25; // of a picture

    private static readonly string[] Changes = ["fade", "wipeleft", "dissolve", "slideup"];

    /// <summary>Input files and filters; at least as many pictures come out as are wanted.</summary>
    /// <param name="photographs">The photographs; each scene has its own, as long as there are enough.</param>
    /// <param name="width">Columns of a picture.</param>
    /// <param name="height">Rows of a picture.</param>
    /// <param name="frames">How many pictures are wanted.</param>
    /// <param name="pixelFormat">The kind of samples.</param>
    public static IEnumerable<string> Arguments(IReadOnlyList<string> photographs, int width, int height, int frames, string pixelFormat)
    {
        var scenes = Math.Max(2, frames / Usual);
        var overlap = Math.Clamp(frames / 8, 2, 15);
        var length = (frames + (scenes - 1) * overlap + scenes - 1) / scenes;
        List<string> graph = [];
        for (var scene = 0; scene < scenes; scene++)
        {
            graph.Add(scene % 2 == 0 ? Zoom(scene, width, height, length, pixelFormat) : Pan(scene, width, height, length, pixelFormat));
        }

        for (var scene = 1; scene < scenes; scene++)
        {
            var before = scene == 1 ? "scene0" : string.Create(CultureInfo.InvariantCulture, $"film{scene - 1}");
            graph.Add(string.Create(CultureInfo.InvariantCulture,
                $"[{before}][scene{scene}]xfade={Changes[(scene - 1) % Changes.Length]}:duration={overlap * Milliseconds}ms:offset={scene * (length - overlap) * Milliseconds}ms[film{scene}]"));
        }

        return
        [
            .. Enumerable.Range(0, scenes).SelectMany(scene => new[] { "-i", photographs[scene % photographs.Count] }),
            "-filter_complex", string.Join(';', graph), "-map", string.Create(CultureInfo.InvariantCulture, $"[film{scenes - 1}]"),
            "-frames:v", frames.ToString(CultureInfo.InvariantCulture),
        ];
    }

    // Nearer and nearer. The photograph is twice as large as the picture, so that there is something to come near to.
    private static string Zoom(int scene, int width, int height, int length, string pixelFormat) => string.Create(CultureInfo.InvariantCulture,
        $"[{scene}]{Cover(2 * width, 2 * height, "yuv444p")},crop={2 * width}:{2 * height}," +
        $"zoompan=z='1+0.6*on/{length}':x='(iw-iw/zoom)*0.3':y='(ih-ih/zoom)*0.6':d={length}:s={width}x{height}:fps=25,format={pixelFormat},settb=1/25[scene{scene}]");

    // From one corner to the other.
    private static string Pan(int scene, int width, int height, int length, string pixelFormat) => string.Create(CultureInfo.InvariantCulture,
        $"[{scene}]{Cover(width * 3 / 2, height * 3 / 2, pixelFormat)},loop=-1:1,trim=end_frame={length},setpts=N/25/TB,fps=25," +
        $"crop={width}:{height}:x='(iw-ow)*n/{length}':y='(ih-oh)*n/{length}':exact=1,settb=1/25[scene{scene}]");

    private static string Cover(int width, int height, string pixelFormat) => string.Create(CultureInfo.InvariantCulture,
        $"scale={width}:{height}:force_original_aspect_ratio=increase:out_range=tv:out_color_matrix=bt709,format={pixelFormat}");
}
