// H.264 at all rates, and with odd words about rates.
namespace VirtioUser.Codec.Tests.Corpus.Cases;

/// <summary>The time base of the listing and its timestamps come from the stream's rate.</summary>
internal static class RateCases
{
    private static readonly string[] Rates =
    [
        "24000/1001", "24", "25", "30000/1001", "30", "48", "50", "60000/1001", "60", "100", "120", "120000/1001", "1", "5", "7/3", "25/2", "15", "2997/100",
        "19001/317", "90", "240", "1000",
    ];

    public static IReadOnlyList<CorpusCase> All { get; } =
    [
        .. Rates.Select(rate => new CorpusCase("rate-" + rate.Replace('/', '-'), Recipe.H264(rate: rate)) { ByThreads = rate == "1000" }),
        new("rate-not-said", Recipe.H264(rate: "30").Vui(vui => vui! with { Timing = null })),
        new("rate-no-vui", Recipe.H264(rate: "30").Vui(_ => null)),
        new("rate-units-0", Timing(0, 60, true)),
        new("rate-scale-0", Timing(1, 0, true)),
        new("rate-both-0", Timing(0, 0, false)),
        new("rate-30-fixed", Timing(1, 60, true)),
        new("rate-30-not-fixed", Timing(1, 60, false)),
        new("rate-30-in-frames", Timing(1, 30, true)),
        new("rate-1001-units", Timing(1001, 48000, false)),
        new("rate-90000-units", Timing(3003, 180000, true)),
        new("rate-largest-scale", Timing(1, uint.MaxValue, true)) { ByThreads = true },
        new("rate-largest-units", Timing(uint.MaxValue, 1, true)),
        new("rate-both-largest", Timing(uint.MaxValue, uint.MaxValue, true)),
        new("rate-above-2-31", Timing(0x80000000, 0xfffffffe, true)) { ByThreads = true },
        new("rate-microseconds", Timing(33333, 2000000, false)),
        new("rate-interlaced-25", Recipe.H264("interlaced=1", rate: "25")),
        new("rate-interlaced-30000-1001", Recipe.H264("interlaced=1", rate: "30000/1001")),
        new("rate-changes-in-the-middle", Recipe.H264(rate: "25").Then(Recipe.H264(rate: "30"))),
        new("rate-said-later", Recipe.H264(rate: "30").Vui(_ => null).Then(Recipe.H264(rate: "30"))),
        new("rate-said-first-only", Recipe.H264(rate: "30").Then(Recipe.H264(rate: "30").Vui(_ => null))),
        new("rate-constant-forced", Recipe.H264("force-cfr=1", rate: "30")),
        new("rate-one-picture", Recipe.H264(rate: "30", frames: 1)),
        new("rate-two-pictures", Recipe.H264(rate: "50", frames: 2)),
        new("rate-many-pictures", Recipe.H264(rate: "30", frames: 150)),
        new("aspect-40-33", Recipe.H264("sar=40/33")),
        new("aspect-one-side-0", Recipe.H264().Vui(vui => vui! with { Aspect = (0, 1) })),
    ];

    private static Recipe Timing(uint units, uint scale, bool isFixed) => Recipe.H264().Vui(vui => vui! with { Timing = (units, scale, isFixed) });
}
