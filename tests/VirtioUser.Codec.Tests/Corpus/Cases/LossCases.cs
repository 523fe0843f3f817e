// H.264 of which something is missing, doubled or damaged.
using VirtioUser.Codec.Tests.Corpus.Bits;

namespace VirtioUser.Codec.Tests.Corpus.Cases;

/// <summary>What is shown is what ffmpeg shows with as many threads. A picture with missing parts, or none at all, is never passed over in silence.</summary>
internal static class LossCases
{
    private const int Picture = 5; // that something happens to

    private static Recipe Sliced => Recipe.H264("slices=4:bframes=0:ref=2", size: "64x128");

    private static Recipe Reordered => Recipe.H264("slices=4:bframes=2:b-adapt=0", size: "64x128");

    private static Recipe Whole => Recipe.H264("bframes=2:b-adapt=0", size: "64x64");

    public static IReadOnlyList<CorpusCase> All { get; } =
    [
        .. from kind in new[] { ("", Sliced), ("-b", Reordered), ("-no-vui", Reordered.Vui(_ => null)) }
           from slice in Enumerable.Range(0, 4)
           select new CorpusCase($"lost-slice-{slice}{kind.Item1}", kind.Item2.Pictures(pictures => Changed(pictures, Picture, slices => slices.Where((_, i) => i != slice))), Errors.Some),
        .. Enumerable.Range(0, 4).Select(slice => new CorpusCase(
            $"lost-slice-{slice}-of-first-picture", Sliced.Pictures(pictures => Changed(pictures, 0, slices => slices.Where((_, i) => i != slice))), Errors.Some)),
        .. Enumerable.Range(0, 4).Select(slice => new CorpusCase(
            $"lost-slice-{slice}-of-last-picture", Sliced.Pictures(pictures => Changed(pictures, 11, slices => slices.Where((_, i) => i != slice))), Errors.Some)),
        .. Enumerable.Range(0, 4).Select(slice => new CorpusCase(
            $"lost-slice-{slice}-of-all", Sliced.Pictures(pictures => pictures.Select((picture, i) => i == 0 ? picture : Slices(picture, slices => slices.Where((_, at) => at != slice)))), Errors.Some)),
        new("lost-slices-but-first", Sliced.Pictures(pictures => Changed(pictures, Picture, slices => slices.Take(1))), Errors.Some),
        new("lost-slices-but-last", Sliced.Pictures(pictures => Changed(pictures, Picture, slices => slices.Skip(3))), Errors.Some),
        new("lost-first-slices-of-two-pictures", Sliced.Pictures(pictures => Changed(Changed(pictures, 5, slices => slices.Skip(1)), 6, slices => slices.Skip(1))), Errors.Some),
        new("lost-last-and-first-slice", Sliced.Pictures(pictures => Changed(Changed(pictures, 5, slices => slices.SkipLast(1)), 6, slices => slices.Skip(1))), Errors.Some),
        new("lost-second-half-and-first-half", Sliced.Pictures(pictures => Changed(Changed(pictures, 5, slices => slices.Take(2)), 6, slices => slices.Skip(2))), Errors.Some),
        new("lost-slices-interlaced", Recipe.H264("interlaced=1:slices=4", size: "64x128").Pictures(pictures => Changed(pictures, Picture, slices => slices.Skip(1))), Errors.Some),
        new("doubled-slice-first", Sliced.Pictures(pictures => Changed(pictures, Picture, slices => slices.SelectMany((slice, i) => i == 0 ? new[] { slice, slice } : [slice]))), Errors.Any),
        new("doubled-slice-middle", Sliced.Pictures(pictures => Changed(pictures, Picture, slices => slices.SelectMany((slice, i) => i == 2 ? new[] { slice, slice } : [slice]))), Errors.Any),
        new("doubled-slice-last", Sliced.Pictures(pictures => Changed(pictures, Picture, slices => slices.SelectMany((slice, i) => i == 3 ? new[] { slice, slice } : [slice]))), Errors.Any),
        new("doubled-slices-all", Sliced.Each(unit => Nal.IsSlice(unit) ? [unit, unit] : [unit]), Errors.Any) { CountOnly = true },
        new("swapped-slices", Sliced.Pictures(pictures => Changed(pictures, Picture, slices => [slices[1], slices[0], slices[2], slices[3]])), Errors.Any),
        new("swapped-slices-later", Sliced.Pictures(pictures => Changed(pictures, Picture, slices => [slices[0], slices[2], slices[1], slices[3]])), Errors.Any),
        .. new[] { 1, 4, 5, 6, 11 }.Select(number => new CorpusCase($"lost-picture-{number}", Whole.Pictures(pictures => pictures.Where((_, i) => i != number)), Errors.Any)),
        .. new[] { 4, 5 }.Select(number => new CorpusCase($"lost-pictures-{number}-and-next", Whole.Pictures(pictures => pictures.Where((_, i) => i != number && i != number + 1)), Errors.Any)),
        new("lost-references", Whole.Pictures(pictures => pictures.Where((picture, i) => i < 3 || i > 8 || !picture.Any(Nal.IsReference))), Errors.Any),
        new("lost-others", Whole.Pictures(pictures => pictures.Where(picture => picture.Any(Nal.IsReference)))),
        new("lost-picture-no-vui", Whole.Vui(_ => null).Pictures(pictures => pictures.Where((_, i) => i != 4)), Errors.Any),
        new("lost-pictures-of-every-second", Recipe.H264("bframes=0", frames: 24).Pictures(pictures => pictures.Where((_, i) => i % 2 == 0)), Errors.Any),
        .. new[] { 0, 1, 4, 5, 11 }.Select(number => new CorpusCase(
            $"doubled-picture-{number}", Whole.Pictures(pictures => pictures.SelectMany((picture, i) => i == number ? new[] { picture, picture } : [picture])), Errors.Any)),
        new("doubled-pictures-all", Whole.Pictures(pictures => pictures.SelectMany(picture => new[] { picture, picture })), Errors.Any),
        new("swapped-pictures", Whole.Pictures(pictures => [.. pictures.Take(5), pictures[6], pictures[5], .. pictures.Skip(7)]), Errors.Any),
        new("swapped-pictures-all", Recipe.H264("bframes=0").Pictures(pictures => [pictures[0], .. pictures.Skip(1).Chunk(2).SelectMany(pair => pair.Reverse())]), Errors.Any),
        new("backward-pictures", Whole.Pictures(pictures => [pictures[0], .. pictures.Skip(1).Reverse()]), Errors.Any),
        .. new[] { 1, 5, 11 }.Select(number => new CorpusCase(
            $"cut-slice-of-picture-{number}", Whole.Pictures(pictures => Changed(pictures, number, slices => slices.Select(slice => slice[..(slice.Length / 2)]))), Errors.Any)),
        .. new[] { 1, 5, 11 }.Select(number => new CorpusCase(
            $"one-byte-slice-of-picture-{number}", Whole.Pictures(pictures => Changed(pictures, number, slices => slices.Select(slice => slice[..1]))), Errors.Any)),
        .. Enumerable.Range(1, 16).Select(seed => new CorpusCase($"flipped-bits-{seed}", (seed % 2 == 0 ? Whole : Reordered).Units(units => Damage.Flip(units, seed)), Errors.Any) { CountOnly = seed == 7 }),
        .. Enumerable.Range(1, 6).Select(seed => new CorpusCase($"flipped-bits-{seed}-simple-entropy", Recipe.H264("cabac=0:bframes=1", size: "64x64").Units(units => Damage.Flip(units, seed)), Errors.Any)),
    ];

    private static List<List<byte[]>> Changed(List<List<byte[]>> pictures, int number, Func<List<byte[]>, IEnumerable<byte[]>> change) =>
        [.. pictures.Select((picture, i) => i == number ? Slices(picture, change) : picture)];

    private static List<byte[]> Slices(List<byte[]> picture, Func<List<byte[]>, IEnumerable<byte[]>> change) =>
        [.. picture.Where(unit => !Nal.IsSlice(unit)), .. change([.. picture.Where(Nal.IsSlice)])];
}
