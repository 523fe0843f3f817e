// H.264 in all its kinds.
using VirtioUser.Codec.Tests.Corpus.Bits;

namespace VirtioUser.Codec.Tests.Corpus.Cases;

/// <summary>Profiles, kinds of samples, slices, fields.</summary>
internal static class CodingCases
{
    private static readonly string[] Formats = ["gray", "gray10le", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le", "yuvj420p", "nv12"];

    public static IReadOnlyList<CorpusCase> All { get; } =
    [
        .. Enumerable.Range(1, 8).Select(slices => new CorpusCase($"slices-{slices}", Recipe.H264($"slices={slices}:bframes=2", size: "64x128"))),
        .. Enumerable.Range(2, 2).Select(slices => new CorpusCase($"slices-{slices}-no-vui", Recipe.H264($"slices={slices}", size: "64x128").Vui(_ => null))),
        new("slices-threads", Recipe.H264("sliced-threads=1:threads=4", size: "64x128")),
        new("slices-of-100-bytes", Recipe.H264("slice-max-size=100", size: "96x80")),
        new("slices-without-compression", Recipe.Plain(new() { Slices = 2 }, [.. Frames(10)])),
        .. Formats.Select(format => new CorpusCase("samples-" + format, Recipe.H264(options: "-pix_fmt " + format))),
        new("samples-gbrp", Recipe.H264(options: "-pix_fmt gbrp -c:v libx264rgb")),
        .. new[] { "baseline", "main", "high", "high10", "high422", "high444" }.Select(profile => new CorpusCase(
            "profile-" + profile, Recipe.H264(options: $"-pix_fmt yuv420p -profile:v {profile}"))),
        .. new[] { "16x16", "18x34", "66x50", "178x98", "320x16", "16x320" }.Select(size => new CorpusCase("size-" + size, Recipe.H264(size: size))),
        new("size-cut-at-all-sides", Recipe.Plain(new() { Cropping = (1, 2, 3, 1) }, [.. Frames(6)])),
        new("size-one-column", Recipe.Plain(new() { Cropping = (0, 15, 0, 15) }, [.. Frames(6)])),
        new("lossless", Recipe.H264("qp=0")),
        new("entropy-simple", Recipe.H264("cabac=0")),
        new("weighted", Recipe.H264("weightp=2:weightb=1:bframes=2")),
        new("constrained-intra", Recipe.H264("constrained-intra=1")),
        new("refreshed-in-columns", Recipe.H264("intra-refresh=1:keyint=10", frames: 24)),
        new("without-8x8-and-filter", Recipe.H264("8x8dct=0:no-deblock=1")),
        new("rate-model-with-filler", Recipe.H264("nal-hrd=cbr:vbv-maxrate=300:vbv-bufsize=300:bitrate=300")),
        new("rate-model", Recipe.H264("nal-hrd=vbr:vbv-maxrate=100:vbv-bufsize=100:bitrate=80")),
        .. new[] { "tff", "bff" }.SelectMany(first => new[] { 0, 3 }.SelectMany(between => new[] { true, false }.Select(said => new CorpusCase(
            $"interlaced-{first}-b-{between}{(said ? "" : "-no-vui")}",
            said ? Interlaced(first, between) : Interlaced(first, between).Vui(_ => null))))),
        new("interlaced-slices-4", Recipe.H264("interlaced=1:slices=4", size: "64x128")),
        new("interlaced-in-name-only", Recipe.H264("fake-interlaced=1")),
        .. new[] { "22", "32", "64", "double", "triple", "euro" }.Select(pulldown => new CorpusCase(
            "pulldown-" + pulldown, Recipe.H264($"pulldown={pulldown}", rate: pulldown == "32" ? "24000/1001" : "25"))),
        new("structure-messages", Recipe.H264("pic-struct=1")),
        new("structure-announced-but-not-there", Recipe.H264().Vui(vui => vui! with { PictureStructures = true })),
        new("fields", Fields(null, "tb")),
        new("fields-bottom-first", Fields(null, "bt")),
        new("fields-reorder-said", Fields(new() { Timing = (1, 50, true), Restriction = (0, 8) }, "tb")),
        // With several threads libavcodec marks the pairs of fields as damaged, which they are not.
        new("fields-and-frames", Recipe.Plain(new() { Fields = true }, [.. Enumerable.Range(0, 10).SelectMany(order => order % 2 == 0 ? Frame(order) : Pair(order, "tb"))]), Errors.Any),
        new("fields-backward-3", Recipe.Plain(
            new() { Fields = true }, [.. Pair(0, "tb"), .. new[] { 4, 3, 2, 1, 8, 7, 6, 5 }.SelectMany(order => Pair(order, "tb"))])),
        new("fields-one-only", Recipe.Plain(new() { Fields = true }, [.. Enumerable.Range(0, 8).SelectMany(order => Pair(order, "tb").Take(order == 4 ? 1 : 2))]), Errors.Any),
        new("fields-none-second", Recipe.Plain(new() { Fields = true }, [.. Enumerable.Range(0, 8).Select(order => Pair(order, "tb").First())]), Errors.Any),
    ];

    private static Recipe Interlaced(string first, int between) => Recipe.H264($"{first}=1:bframes={between}:b-adapt=0", size: "64x64");

    private static Recipe Fields(Vui? vui, string structures) =>
        Recipe.Plain(new() { Fields = true, Vui = vui }, [.. Enumerable.Range(0, 10).SelectMany(order => Pair(order, structures))]);

    private static IEnumerable<PlainPicture> Frames(int count) => Enumerable.Range(0, count).SelectMany(Frame);

    private static IEnumerable<PlainPicture> Frame(int order) => [new PlainPicture(order) { Idr = order == 0 }];

    private static IEnumerable<PlainPicture> Pair(int order, string structures) =>
    [
        new PlainPicture(order) { Idr = order == 0, Structure = structures[0] },
        new PlainPicture(order) { Structure = structures[1], SecondField = true },
    ];
}
