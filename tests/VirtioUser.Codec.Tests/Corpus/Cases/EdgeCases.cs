// H.264 that begins, ends, or goes on as a file from somewhere does.
using VirtioUser.Codec.Tests.Corpus.Bits;

namespace VirtioUser.Codec.Tests.Corpus.Cases;

/// <summary>Files that were cut out of others, and files joined without a look at what is in them.</summary>
internal static class EdgeCases
{
    private static Recipe Usual => Recipe.H264("keyint=8:bframes=2:slices=2", size: "64x64", frames: 24);

    private static Recipe Small => Recipe.H264("bframes=2");

    private static Recipe Large => Recipe.H264("bframes=2", size: "178x98");

    public static IReadOnlyList<CorpusCase> All { get; } =
    [
        .. new[] { 1, 3, 7, 100, 3000 }.Select(count => new CorpusCase($"junk-{count}-at-the-beginning", Usual.Bytes(stream => [.. Junk(count), .. stream]), Errors.Any)),
        .. new[] { 1, 100 }.Select(count => new CorpusCase($"junk-{count}-at-the-end", Usual.Bytes(stream => [.. stream, .. Junk(count)]), Errors.Any)),
        new("junk-like-a-unit-at-the-beginning", Usual.Bytes(stream => [0xff, 0, 0, 1, 0x1f, 1, 2, 3, .. stream]), Errors.Any),
        new("junk-ivf-signature-at-the-beginning", Usual.Bytes(stream => [.. "DKIF"u8, .. stream]), Errors.Any),
        .. new[] { 1, 2, 5, 11, 40 }.Select(count => new CorpusCase($"cut-{count}-at-the-end", Usual.Bytes(stream => stream[..^count]), Errors.Any)),
        .. new[] { 1, 4, 5, 20 }.Select(count => new CorpusCase($"cut-{count}-at-the-beginning", Usual.Bytes(stream => stream[count..]), Errors.Any)),
        .. new[] { 10, 30, 50, 70, 90 }.Select(part => new CorpusCase($"cut-at-{part}-percent", Usual.Bytes(stream => stream[..(stream.Length * part / 100)]), Errors.Any)),
        .. new[] { 10, 30, 50, 60 }.Select(part => new CorpusCase($"begins-at-{part}-percent", Usual.Bytes(stream => stream[(stream.Length * part / 100)..]), Errors.Any)),
        .. new[] { 1, 2, 3, 7 }.Select(number => new CorpusCase($"begins-at-picture-{number}", Usual.Pictures(pictures => pictures.Skip(number)), Errors.Any)),
        .. new[] { 1, 2, 3, 7 }.Select(number => new CorpusCase(
            $"begins-at-picture-{number}-with-sets", Usual.Pictures(pictures => [[.. pictures[0].Where(unit => Nal.Type(unit) is Nal.Sequence or Nal.Picture)], .. pictures.Skip(number)]), Errors.Any)),
        new("begins-in-an-open-gop", Recipe.H264("open-gop=1:keyint=6:bframes=3:b-adapt=0", frames: 24).Pictures(pictures => pictures.Skip(7)), Errors.Any),
        new("begins-without-picture-set", Usual.Units(units => units.Where((unit, i) => Nal.Type(unit) != Nal.Picture || i > 5)), Errors.Any),
        new("begins-without-sequence-set", Usual.Units(units => units.Where((unit, i) => Nal.Type(unit) != Nal.Sequence || i > 5)), Errors.Any),
        new("begins-in-the-middle-no-vui", Usual.Vui(_ => null).Pictures(pictures => pictures.Skip(3)), Errors.Any),
        new("empty", Recipe.Of(".h264"), Errors.Some),
        new("only-zeros", Recipe.Of(".h264", new byte[1000]), Errors.Some),
        new("only-sets", Usual.Units(units => units.Where(unit => !Nal.IsSlice(unit))), Errors.Some),
        new("only-text", Recipe.Of(".h264", [.. "This is not a video, though its name says so."u8]), Errors.Some),
        new("joined-same", Small.Then(Small)),
        new("joined-same-no-vui", Small.Vui(_ => null).Then(Small.Vui(_ => null))),
        new("joined-four-times", Small.Then(Small, Small, Small)),
        new("joined-other-entropy", Small.Then(Recipe.H264("cabac=0:bframes=0"))),
        new("joined-other-reorder", Recipe.H264("bframes=0").Then(Recipe.H264("bframes=8:b-adapt=0:b-pyramid=normal"))),
        new("joined-other-reorder-no-vui", Recipe.H264("bframes=0").Vui(_ => null).Then(Recipe.H264("bframes=8:b-adapt=0:b-pyramid=normal").Vui(_ => null))),
        new("joined-less-reorder", Recipe.H264("bframes=8:b-adapt=0:b-pyramid=normal").Then(Recipe.H264("bframes=0"))),
        new("joined-other-identities", Small.Then(Recipe.H264("sps-id=3:bframes=1"), Small)),
        new("joined-up", Small.Then(Large)),
        new("joined-down", Large.Then(Small)),
        new("joined-up-and-down", Small.Then(Large, Small, Recipe.H264(size: "32x96"), Large)),
        new("joined-up-no-vui", Small.Vui(_ => null).Then(Large.Vui(_ => null))),
        new("joined-down-no-vui", Large.Vui(_ => null).Then(Small.Vui(_ => null))),
        new("joined-up-other-identities", Small.Then(Recipe.H264("sps-id=1:bframes=2", size: "178x98"))),
        new("joined-sizes-sets-first", SetsFirst(Small, Recipe.H264("sps-id=1:bframes=2", size: "178x98"), Recipe.H264("sps-id=2", size: "32x32"))),
        new("joined-interlaced", Small.Then(Recipe.H264("interlaced=1"))),
        new("joined-progressive", Recipe.H264("interlaced=1").Then(Small)),
        new("joined-fields", Recipe.Plain(new() { Fields = true }, new PlainPicture(0) { Idr = true, Structure = 't' }, new PlainPicture(0) { Structure = 'b', SecondField = true }).Then(Small)),
        new("joined-other-slices", Small.Then(Recipe.H264("slices=3", size: "64x64"))),
        new("joined-other-profile", Recipe.H264(options: "-profile:v baseline").Then(Small)),
        new("joined-other-aspect", Small.Then(Recipe.H264("sar=2/1"))),
        new("joined-up-without-idr", Small.Then(Large.Pictures(pictures => WithoutPicture(pictures))), Errors.Any),
        new("joined-same-without-idr", Small.Then(Small.Pictures(pictures => WithoutPicture(pictures))), Errors.Any),
        .. new[] { 3, 8, 11, 17 }.Select(number => new CorpusCase($"joined-behind-picture-{number}", Usual.Pictures(pictures => pictures.Take(number)).Then(Usual), Errors.Any)),
        .. new[] { 3, 8, 11, 17 }.Select(number => new CorpusCase($"joined-from-picture-{number}", Usual.Then(Usual.Pictures(pictures => pictures.Skip(number))), Errors.Any)),
        .. new[] { 25, 50, 75 }.Select(part => new CorpusCase($"joined-at-{part}-percent", Usual.Bytes(stream => stream[..(stream.Length * part / 100)]).Then(Large), Errors.Any) { CountOnly = part == 50 }),
        .. new[] { 25, 50, 75 }.Select(part => new CorpusCase($"joined-from-{part}-percent", Small.Then(Usual.Bytes(stream => stream[(stream.Length * part / 100)..])), Errors.Any)),
        new("joined-with-junk-between", Small.Bytes(stream => [.. stream, .. Junk(50)]).Then(Small), Errors.Any),
    ];

    private static byte[] Junk(int count) => [.. Enumerable.Range(0, count).Select(i => (byte)(((i * 73) % 250) + 4))];

    // The parameter sets stay.
    private static IEnumerable<List<byte[]>> WithoutPicture(List<List<byte[]>> pictures) => [[.. pictures[0].Where(unit => !Nal.IsSlice(unit))], .. pictures.Skip(1)];

    private static Recipe SetsFirst(params Recipe[] parts) =>
        parts[0].Then(parts[1..]).Units(units => units.OrderBy(unit => Nal.Type(unit) is Nal.Sequence or Nal.Picture ? 0 : 1));
}
