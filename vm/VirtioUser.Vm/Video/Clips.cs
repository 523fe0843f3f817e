// Clips made of photographs, for the demo, the tests and the benchmarks.
namespace VirtioUser.Vm;

/// <summary>Makes clips by ffmpeg, once; they are kept in the cache.</summary>
public static class Clips
{
    // What a program does once at its beginning, which takes long under emulation, is a small part of these.
    private const int PicturesToMeasure = 750;

    /// <summary>What the demo decodes: films of ten seconds, and shorter ones where compressing takes long.</summary>
    public static IReadOnlyList<Clip> Films { get; } =
    [
        new(ClipCodec.H264, 1280, 720, 250),
        new(ClipCodec.H264, 1920, 1080, 250),
        new(ClipCodec.Vp9, 1920, 1080, 150),
        new(ClipCodec.Av1, 1280, 720, 150),
    ];

    /// <summary>The same film several times over: long enough to measure how fast it is decoded.</summary>
    /// <param name="film">The film.</param>
    public static Clip ToMeasure(Clip film)
    {
        ArgumentNullException.ThrowIfNull(film);
        return film with { Times = PicturesToMeasure / film.Frames };
    }

    /// <summary>Small ones, which together have all kinds of pictures that a decoder must be able to hand over.</summary>
    public static IReadOnlyList<Clip> Small { get; } =
    [
        new(ClipCodec.H264, 64, 64, 25),
        new(ClipCodec.H264, 96, 80, 25),
        new(ClipCodec.H264, 178, 98, 25),
        new(ClipCodec.H264, 96, 80, 20) { ThenSize = (178, 98) },
        new(ClipCodec.H264, 96, 80, 12) { Interlaced = true },
        new(ClipCodec.H264, 96, 80, 12) { PixelFormat = "yuv420p10le" },
        new(ClipCodec.H264, 177, 97, 12) { PixelFormat = "yuv444p" },
        new(ClipCodec.H264, 96, 80, 12) { PixelFormat = "yuv422p10le" },
        new(ClipCodec.H264, 96, 80, 12) { PixelFormat = "gray" },
        new(ClipCodec.H264, 96, 80, 12) { PixelFormat = "gbrp" },
        new(ClipCodec.Vp9, 64, 64, 25),
        new(ClipCodec.Vp9, 177, 97, 25),
        new(ClipCodec.Vp9, 96, 80, 20) { ThenSize = (177, 97) },
        new(ClipCodec.Vp9, 96, 80, 12) { PixelFormat = "yuv420p10le" },
        new(ClipCodec.Vp9, 96, 80, 12) { PixelFormat = "yuv444p" },
        new(ClipCodec.Av1, 64, 64, 25),
        new(ClipCodec.Av1, 177, 97, 25),
        new(ClipCodec.Av1, 96, 80, 20) { ThenSize = (177, 97) },
        new(ClipCodec.Av1, 96, 80, 12) { PixelFormat = "yuv420p10le" },
    ];

    /// <summary>Returns a clip's file; makes it first if it is not in the cache yet.</summary>
    /// <param name="tree">The ffmpeg that makes it, and the photographs.</param>
    /// <param name="clip">The clip.</param>
    /// <param name="progress">Is told what takes long.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="SetupException">ffmpeg failed, or the cache may not be written.</exception>
    public static async Task<string> GetAsync(
        MediaTree tree, Clip clip, IProgress<PreparationProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(clip);
        return clip.Times == 1
            ? await EncodedAsync(tree, clip, progress, cancellationToken).ConfigureAwait(false)
            : await RepeatedAsync(tree, clip, await GetAsync(tree, clip with { Times = 1 }, progress, cancellationToken).ConfigureAwait(false), cancellationToken)
                .ConfigureAwait(false);
    }

    private static async Task<string> EncodedAsync(MediaTree tree, Clip clip, IProgress<PreparationProgress>? progress, CancellationToken cancellationToken)
    {
        // A clip that goes on in another size is two, one behind the other.
        Clip[] parts = clip.ThenSize is { } then
            ? [clip with { Frames = clip.Frames / 2 }, clip with { Frames = clip.Frames - clip.Frames / 2, Width = then.Width, Height = then.Height }]
            : [clip];
        string[][] arguments =
        [
            .. parts.Select(part => (string[])
            [
                .. Scenes.Arguments(Photographs(tree), part.Width, part.Height, part.Frames, part.PixelFormat), .. ClipEncoding.Arguments(part),
            ]),
        ];
        var key = Cache.KeyOf(arguments.SelectMany(words => words).Select(word => word.Replace(tree.Folder, "", StringComparison.Ordinal)));
        var folder = await new Cache(ProjectFolders.Cache).GetAsync(
            "clip-" + clip.Name, key,
            partial => Step.RunAsync($"clip {clip.Name}", progress, async _ =>
            {
                string[] paths = [.. parts.Select((_, number) => Path.Combine(partial, parts.Length == 1 ? clip.FileName : $"{number}{Path.GetExtension(clip.FileName)}"))];
                for (var number = 0; number < parts.Length; number++)
                {
                    await Ffmpeg.RunAsync(tree, [.. Ffmpeg.Quietly, .. arguments[number], paths[number]], cancellationToken: cancellationToken).ConfigureAwait(false);
                }

                if (parts.Length > 1)
                {
                    await ClipJoining.JoinAsync(tree, paths, Path.Combine(partial, clip.FileName), cancellationToken).ConfigureAwait(false);
                    Array.ForEach(paths, File.Delete);
                }
            }),
            cancellationToken).ConfigureAwait(false);
        return Path.Combine(folder, clip.FileName);
    }

    private static async Task<string> RepeatedAsync(MediaTree tree, Clip clip, string once, CancellationToken cancellationToken)
    {
        var folder = await new Cache(ProjectFolders.Cache).GetAsync(
            "clip-" + clip.Name, Cache.KeyOf([Path.GetDirectoryName(once)!.Split(Path.DirectorySeparatorChar)[^1]]),
            partial => ClipJoining.JoinAsync(tree, [.. Enumerable.Repeat(once, clip.Times)], Path.Combine(partial, clip.FileName), cancellationToken),
            cancellationToken).ConfigureAwait(false);
        return Path.Combine(folder, clip.FileName);
    }

    // Those with much to see first; their order decides what the first scenes are.
    private static List<string> Photographs(MediaTree tree)
    {
        string[] first = ["LadyBird.jpg", "Dune.jpg", "TwoWings.jpg", "Garden.jpg"];
        return [.. tree.Photographs.OrderBy(path => Array.IndexOf(first, Path.GetFileName(path)) is >= 0 and var place ? place : first.Length)];
    }
}
