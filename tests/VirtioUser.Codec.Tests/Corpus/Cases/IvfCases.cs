// IVF files with odd headers, packets and timestamps.
using System.Buffers.Binary;
using VirtioUser.Codec.Tests.Corpus.Bits;

namespace VirtioUser.Codec.Tests.Corpus.Cases;

/// <summary>What is in the container may be odd, but is what the timestamps of the listing are made of.</summary>
internal static class IvfCases
{
    private static readonly (uint Numerator, uint Denominator)[] TimeBases =
    [
        (1, 25), (1, 30), (1001, 30000), (1001, 24000), (1, 60), (1, 120), (1, 1000), (1, 12800), (1, 90000), (1, 1000000), (30, 1), (1, 1), (3, 7), (2, 50),
        (0, 0), (1, 0), (0, 1), (uint.MaxValue, uint.MaxValue), (1, uint.MaxValue), (uint.MaxValue, 1), (1, 0x7fffffff),
    ];

    private static Recipe Usual => Recipe.Vp9();

    public static IReadOnlyList<CorpusCase> All { get; } =
    [
        .. TimeBases.Select(unit => new CorpusCase(
            $"ivf-base-{unit.Numerator}-{unit.Denominator}",
            Usual.Packets(ivf => ivf.WithTimeBase(unit.Numerator, unit.Denominator)), unit.Numerator is 0 or uint.MaxValue || unit.Denominator is 0 or uint.MaxValue ? Errors.Any : Errors.None)),
        .. new[] { "24000/1001", "30000/1001", "50", "60", "120" }.Select(rate => new CorpusCase("ivf-rate-" + rate.Replace('/', '-'), Recipe.Vp9(rate: rate))),
        new("ivf-base-in-milliseconds", Usual.Packets(ivf => ivf.WithTimeBase(1, 1000).WithTimestamps(i => (i * 1000L) / 30))),
        new("ivf-base-of-mp4", Usual.Packets(ivf => ivf.WithTimeBase(1, 12800).WithTimestamps(i => i * 512L))),
        new("ivf-base-of-mp4-av1", Recipe.Av1().Packets(ivf => ivf.WithTimeBase(1, 12800).WithTimestamps(i => i * 512L))),
        new("ivf-base-1-30-av1", Recipe.Av1().Packets(ivf => ivf.WithTimeBase(1, 30))),
        new("ivf-base-in-milliseconds-av1", Recipe.Av1().Packets(ivf => ivf.WithTimeBase(1, 1000).WithTimestamps(i => (i * 1000L) / 30))),
        .. new uint[] { 0, 1, 1000, uint.MaxValue }.Select(count => new CorpusCase($"ivf-count-{count}", Usual.Packets(ivf => ivf.With(24, count)))),
        new("ivf-last-field-not-0", Usual.Packets(ivf => ivf.With(28, uint.MaxValue))),
        new("ivf-size-0", Usual.Packets(ivf => ivf.With(12, 0))),
        new("ivf-size-of-another", Usual.Packets(ivf => ivf.With(12, 320 | (240 << 16)))),
        new("ivf-version-1", Usual.Packets(ivf => ivf.With(4, 1 | (32 << 16))), Errors.Any),
        new("ivf-header-length-0", Usual.Packets(ivf => ivf.With(4, 0)), Errors.Any),
        new("ivf-header-length-64", Usual.Packets(ivf => ivf.With(4, 64 << 16)), Errors.Any),
        new("ivf-header-of-40-bytes", Usual.Packets(ivf => ivf.With(4, 40 << 16) with { Header = [.. ivf.With(4, 40 << 16).Header, .. new byte[8]] }), Errors.Any),
        new("ivf-of-unknown-codec", Usual.Packets(ivf => ivf.With(8, BinaryPrimitives.ReadUInt32LittleEndian("XXXX"u8))), Errors.Some),
        new("ivf-says-av1", Usual.Packets(ivf => ivf.With(8, BinaryPrimitives.ReadUInt32LittleEndian("AV01"u8))), Errors.Some),
        .. new[] { 1, 4, 11 }.Select(at => new CorpusCase($"ivf-empty-packet-at-{at}", Usual.Packets(ivf => WithEmpty(ivf, at)), Errors.Any)),
        new("ivf-empty-packet-first", Usual.Packets(ivf => WithEmpty(ivf, 0)), Errors.Any),
        new("ivf-empty-packet-last", Usual.Packets(ivf => ivf with { Packets = [.. ivf.Packets, new(12, [])] }), Errors.Any),
        new("ivf-empty-packets-three", Usual.Packets(ivf => WithEmpty(WithEmpty(WithEmpty(ivf, 4), 4), 4)), Errors.Any),
        new("ivf-empty-packet-av1", Recipe.Av1().Packets(ivf => WithEmpty(ivf, 4)), Errors.Any),
        new("ivf-emptied-packet", Usual.Packets(ivf => ivf.WithPacket(5, _ => [])), Errors.Any),
        new("ivf-emptied-packet-av1", Recipe.Av1().Packets(ivf => ivf.WithPacket(5, _ => [])), Errors.Any),
        new("ivf-packet-of-one-byte", Usual.Packets(ivf => ivf.WithPacket(5, _ => [0])), Errors.Any),
        .. new (string Name, Func<int, long> Timestamp)[]
        {
            ("from-100", i => 100 + i), ("gap", i => i < 6 ? i : i + 50), ("gaps", i => i * 3L), ("twice", i => i / 2), ("backward", i => 11 - i), ("swapped", i => i ^ 1),
            ("all-0", _ => 0), ("all-same", _ => 77), ("one-backward", i => i == 6 ? 2 : i), ("jump-back", i => i < 6 ? i + 100 : i), ("negative", i => i - 5),
            ("huge", i => (1L << 40) + i), ("near-the-end", i => long.MaxValue - 20 + i), ("no-value", i => i == 5 ? long.MinValue : i), ("past-the-end", i => long.MinValue + 5 + i),
            ("jump-far", i => i < 6 ? i : (1L << 50) + i),
        }.Select(stamps => new CorpusCase("ivf-timestamps-" + stamps.Name, Usual.Packets(ivf => ivf.WithTimestamps(stamps.Timestamp)), Errors.Any)),
        new("ivf-timestamps-twice-av1", Recipe.Av1().Packets(ivf => ivf.WithTimestamps(i => i / 2)), Errors.Any),
        new("ivf-timestamps-gap-av1", Recipe.Av1().Packets(ivf => ivf.WithTimestamps(i => i < 6 ? i : i + 50))),
        .. new[] { 1, 5, 100 }.Select(count => new CorpusCase($"ivf-cut-{count}-at-the-end", Usual.Bytes(file => file[..^count]), Errors.Some)),
        new("ivf-cut-in-the-last-packet-header", Usual.Packets(ivf => ivf with { Packets = [.. ivf.Packets, new(12, [])] }).Bytes(file => file[..^5]), Errors.Any),
        new("ivf-cut-behind-the-header", Usual.Bytes(file => file[..32]), Errors.Some),
        new("ivf-cut-in-the-header", Usual.Bytes(file => file[..20]), Errors.Some),
        new("ivf-cut-av1", Recipe.Av1().Bytes(file => file[..^7]), Errors.Some),
        new("ivf-packet-longer-than-the-file", Usual.Packets(ivf => ivf.WithPackets((packet, i) => [i == 8 ? packet with { Length = 1 << 20 } : packet])), Errors.Some),
        new("ivf-packet-of-2-gib", Usual.Packets(ivf => ivf.WithPackets((packet, i) => [i == 8 ? packet with { Length = 0x80000000 } : packet])), Errors.Some),
        new("ivf-junk-at-the-end", Usual.Bytes(file => [.. file, 1, 2, 3]), Errors.Any),
        new("ivf-h264", new Recipe(".ivf", async workshop =>
        {
            var header = new IvfFile(IvfFile.Read(await Usual.MakeAsync(workshop)).Header, []).With(8, BinaryPrimitives.ReadUInt32LittleEndian("H264"u8));
            var pictures = Nal.Pictures(Nal.Split(await Recipe.H264().MakeAsync(workshop)));
            return (header with { Packets = [.. pictures.Select((picture, i) => new IvfFile.Packet(i, Nal.Join(picture)))] }).ToArray();
        }), Errors.Any),
    ];

    private static IvfFile WithEmpty(IvfFile ivf, int at) => ivf with { Packets = [.. ivf.Packets.Take(at), new(at, []), .. ivf.Packets.Skip(at)] };
}
