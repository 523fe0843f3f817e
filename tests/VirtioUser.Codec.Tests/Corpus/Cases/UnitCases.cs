// H.264 with other NAL units between those that are needed.
using VirtioUser.Codec.Tests.Corpus.Bits;

namespace VirtioUser.Codec.Tests.Corpus.Cases;

/// <summary>What is no picture may come before, between and behind slices (ITU-T H.264, 7.4.1.2).</summary>
internal static class UnitCases
{
    private static Recipe Usual => Recipe.H264("slices=2:bframes=2", size: "64x64");

    public static IReadOnlyList<CorpusCase> All { get; } =
    [
        .. new[] { 14, 15, 16, 17, 18, 20 }.Select(type => new CorpusCase($"unit-{type}-before-slices", BeforeSlices(type, 3))),
        .. Enumerable.Range(22, 10).Prepend(0).Select(type => new CorpusCase($"unit-{type}-before-slices", BeforeSlices(type, 5))),
        .. Enumerable.Range(22, 10).Prepend(0).Where(type => type % 3 == 0).Select(type => new CorpusCase(
            $"unit-{type}-behind-slices", Usual.Each(unit => Nal.IsSlice(unit) ? [unit, Nal.Make(type, 7, 0x5a)] : [unit]))),
        new("unit-14-before-pictures", Usual.Each(unit => Nal.IsFirstSlice(unit) ? [Nal.Make(14, 3, 0xc0), unit] : [unit])),
        new("unit-14-before-slices-no-vui", BeforeSlices(14, 3).Vui(_ => null)),
        new("unit-20-behind-slices", Usual.Each(unit => Nal.IsSlice(unit) ? [unit, Nal.Make(20, 60, 0xa5)] : [unit])),
        new("unit-19-behind-pictures", Usual.Pictures(pictures => pictures.Select(picture => (List<byte[]>)[.. picture, [19, .. picture[^1][1..]]]))),
        new("unit-5-partitions-without-slices", Usual.Each(unit => Nal.IsFirstSlice(unit) ? [Nal.Make(3, 9, 0x88), Nal.Make(4, 9, 0x88), unit] : [unit]), Errors.Any),
        .. new[] { 1, 100, 5000 }.Select(length => new CorpusCase(
            $"filler-{length}", Usual.Each(unit => Nal.IsSlice(unit) ? [unit, [.. Nal.Make(Nal.Filler, length), 0x80]] : [unit]))),
        new("filler-before-all", Usual.Units(units => units.Prepend(Nal.Make(Nal.Filler, 100)))),
        new("delimiters", Recipe.H264("aud=1:bframes=2")),
        new("delimiters-no-vui", Recipe.H264("aud=1:bframes=2").Vui(_ => null)),
        new("delimiters-twice", Recipe.H264("aud=1:bframes=2").Each(unit => Nal.Type(unit) == Nal.Delimiter ? [unit, unit] : [unit])),
        new("delimiters-of-some", Recipe.H264("aud=1:bframes=2").Pictures(pictures => pictures.Select((picture, i) => i % 3 == 1 ? [.. picture.Where(unit => Nal.Type(unit) != Nal.Delimiter)] : picture))),
        new("delimiters-between-slices", Usual.Each(unit => Nal.IsSlice(unit) ? [[Nal.Delimiter, 0xf0], unit] : [unit]), Errors.Any),
        new("delimiters-at-the-end", Usual.Units(units => [.. units, [Nal.Delimiter, 0xf0], [Nal.Delimiter, 0xf0]]), Errors.Any),
        new("end-of-sequence-at-the-end", Usual.Units(units => units.Append([Nal.EndOfSequence]))),
        new("end-of-stream-at-the-end", Usual.Units(units => units.Append([Nal.EndOfStream]))),
        new("end-of-sequence-before-idr", Recipe.H264("keyint=4:bframes=1").Pictures(BeforeIdr([Nal.EndOfSequence]))),
        new("end-of-stream-before-idr", Recipe.H264("keyint=4:bframes=1").Pictures(BeforeIdr([Nal.EndOfSequence], [Nal.EndOfStream]))),
        new("end-of-sequence-before-idr-no-vui", Recipe.H264("keyint=4:bframes=1").Vui(_ => null).Pictures(BeforeIdr([Nal.EndOfSequence]))),
        .. new[] { 1, 2, 254, 255, 256, 3000 }.Select(length => new CorpusCase(
            $"message-{length}", Usual.Each(unit => Nal.IsFirstSlice(unit) ? [Message(5, length), unit] : [unit]))),
        new("message-of-unknown-kind", Usual.Each(unit => Nal.IsFirstSlice(unit) ? [Message(250, 20), unit] : [unit])),
        new("message-longer-than-its-unit", Usual.Each(unit => Nal.IsFirstSlice(unit) ? [[Nal.Sei, 5, 200, 1, 2, 3, 0x80], unit] : [unit]), Errors.Any),
        new("message-empty-unit", Usual.Each(unit => Nal.IsFirstSlice(unit) ? [[Nal.Sei], unit] : [unit]), Errors.Any),
        new("message-between-slices", Usual.Each(unit => Nal.IsSlice(unit) && !Nal.IsFirstSlice(unit) ? [Message(5, 20), unit] : [unit]), Errors.Any),
        new("message-none", Usual.Each(unit => Nal.Type(unit) == Nal.Sei ? [] : [unit])),
        new("start-codes-3", Usual.Units(units => units, startCode: 3)),
        new("start-codes-4", Usual.Units(units => units)),
        new("start-codes-5", Usual.Units(units => units, startCode: 5)),
        new("start-codes-10", Usual.Units(units => units, startCode: 10)),
        new("start-codes-mixed", Usual.Bytes(stream => [.. Nal.Split(stream).SelectMany((unit, i) => Nal.Join([unit], 3 + (i % 4)))])),
        new("start-codes-twice", Usual.Bytes(stream => [.. Nal.Split(stream).SelectMany(unit => (byte[])[0, 0, 1, 0, 0, 1, .. unit])]), Errors.Any),
        .. new[] { 1, 2, 3, 100 }.Select(count => new CorpusCase($"zeros-{count}-behind-units", Usual.Each(unit => [[.. unit, .. new byte[count]]]))),
        .. new[] { 1, 3, 5, 1000 }.Select(count => new CorpusCase($"zeros-{count}-at-the-end", Usual.Bytes(stream => [.. stream, .. new byte[count]]))),
        .. new[] { 1, 2, 3, 1000 }.Select(count => new CorpusCase($"zeros-{count}-at-the-beginning", Usual.Bytes(stream => [.. new byte[count], .. stream]))),
        new("sets-before-each-picture", Usual.Units(units => Repeated(units, Nal.IsFirstSlice))),
        new("sets-before-each-idr", Recipe.H264("keyint=4:bframes=1").Units(units => Repeated(units, unit => Nal.IsFirstSlice(unit) && Nal.Type(unit) == Nal.IdrSlice))),
        new("sets-between-slices", Usual.Units(units => Repeated(units, Nal.IsSlice)), Errors.Any),
        .. Enumerable.Range(2, 7).Select(count => new CorpusCase($"sets-{count}", Usual.Units(units => Sets(units, count)))),
        new("sets-31", Usual.Units(units => Sets(units, 31))),
        new("sets-with-identity-7", Recipe.H264("sps-id=7:bframes=2")),
        new("sets-in-other-order", Usual.Units(units => units.OrderBy(unit => Nal.Type(unit) == Nal.Picture ? 1 : Nal.IsSlice(unit) ? 2 : 0))),
        new("sets-again-with-other-timing", Usual.Pictures(pictures => pictures.Select((picture, i) =>
            i == 6 ? [SequenceParameters.WithVui(pictures[0].First(unit => Nal.Type(unit) == Nal.Sequence), vui => vui! with { Timing = (1, 60, true) }), .. picture] : picture)), Errors.Any),
    ];

    private static Recipe BeforeSlices(int type, int length) => Usual.Each(unit => Nal.IsSlice(unit) ? [Nal.Make(type, length, 0xc1, reference: type == 14 ? unit[0] >> 5 : 0), unit] : [unit]);

    private static Func<List<List<byte[]>>, IEnumerable<List<byte[]>>> BeforeIdr(params byte[][] units) =>
        pictures => pictures.Select((picture, i) => i > 0 && picture.Any(unit => Nal.Type(unit) == Nal.IdrSlice) ? [.. units, .. picture] : picture);

    // sei_message(): type, length in steps of 255, what it says; no start code within.
    private static byte[] Message(byte type, int length) =>
        [Nal.Sei, type, .. Enumerable.Repeat((byte)255, length / 255), (byte)(length % 255), .. Enumerable.Repeat((byte)0x41, length), 0x80];

    private static IEnumerable<byte[]> Repeated(List<byte[]> units, Func<byte[], bool> before)
    {
        var sets = units.Where(unit => Nal.Type(unit) is Nal.Sequence or Nal.Picture).Take(2).ToList();
        return units.SelectMany(unit => before(unit) ? [.. sets, unit] : (IEnumerable<byte[]>)[unit]);
    }

    // More sets than are used, before and behind those that are.
    private static IEnumerable<byte[]> Sets(List<byte[]> units, int count)
    {
        var (sequence, picture) = (units.First(unit => Nal.Type(unit) == Nal.Sequence), units.First(unit => Nal.Type(unit) == Nal.Picture));
        var others = Enumerable.Range(1, count - 1).Select(id => (uint)id).ToList();
        return
        [
            .. others.Select(id => SequenceParameters.WithId(sequence, id)), sequence,
            .. others.Select(id => SequenceParameters.PictureWithId(picture, id, id)), picture,
            .. units.Where(unit => Nal.Type(unit) is not (Nal.Sequence or Nal.Picture)),
        ];
    }
}
