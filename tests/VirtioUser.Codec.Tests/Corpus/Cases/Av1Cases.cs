// AV1.
namespace VirtioUser.Codec.Tests.Corpus.Cases;

/// <summary>Sizes, kinds of samples, layers of pictures, film grain, units of several parts.</summary>
internal static class Av1Cases
{
    private static readonly byte[] Delimiter = [0x12, 0];

    private static Recipe Simple => Recipe.Av1("-lag-in-frames 0 -usage realtime");

    public static IReadOnlyList<CorpusCase> All { get; } =
    [
        .. new[] { "16x16", "17x33", "65x63", "178x98", "33x100" }.Select(size => new CorpusCase("av1-size-" + size, Recipe.Av1(size: size))),
        .. new[] { "yuv422p", "yuv444p", "gray", "yuv420p10le", "yuv444p10le", "yuv420p12le", "gbrp" }.Select(format => new CorpusCase(
            "av1-samples-" + format, Recipe.Av1("-pix_fmt " + format))),
        new("av1-layers", Recipe.Av1("-lag-in-frames 19", frames: 34)),
        new("av1-layers-svt", Recipe.SvtAv1(frames: 34)),
        new("av1-svt-10", Recipe.SvtAv1("-pix_fmt yuv420p10le")),
        new("av1-svt-low-delay", Recipe.SvtAv1("-svtav1-params pred-struct=1")),
        .. new[] { 1, 5, 10 }.Select(kind => new CorpusCase($"av1-grain-{kind}", Recipe.Av1($"-aom-params film-grain-test={kind}"))),
        new("av1-grain-10-bits", Recipe.Av1("-pix_fmt yuv420p10le -aom-params film-grain-test=3")),
        new("av1-grain-svt", Recipe.SvtAv1("-svtav1-params film-grain=20")),
        new("av1-tiles", Recipe.Av1("-tiles 2x2", size: "256x128", frames: 6)),
        new("av1-resized", Recipe.SvtAv1("-svtav1-params resize-mode=1:resize-denom=12:resize-kf-denom=9", size: "128x96")),
        new("av1-resized-at-random", Recipe.SvtAv1("-svtav1-params resize-mode=2", size: "128x96")),
        new("av1-superres", Recipe.SvtAv1("-svtav1-params superres-mode=1:superres-denom=12:superres-kf-denom=10", size: "128x96")),
        new("av1-no-lag", Simple),
        new("av1-only-key", Recipe.Av1("-g 1")),
        new("av1-short-gop", Recipe.Av1("-g 5", frames: 20)),
        new("av1-one-picture", Recipe.Av1(frames: 1)),
        new("av1-still", Recipe.Av1("-still-picture 1", frames: 1)),
        new("av1-rate-30000-1001", Recipe.Av1(rate: "30000/1001")),
        new("av1-rate-60", Recipe.Av1(rate: "60")),
        new("av1-padding-parts", Recipe.Av1().Packets(ivf => ivf.WithPackets((packet, _) => [packet with { Data = [.. packet.Data, 0x7a, 3, 1, 2, 0x80] }]))),
        new("av1-message-parts", Recipe.Av1().Packets(ivf => ivf.WithPackets((packet, _) => [packet with { Data = [.. packet.Data[..2], 0x2a, 5, 4, 0xb5, 1, 2, 0x80, .. packet.Data[2..]] }])), Errors.Any),
        new("av1-no-delimiters", Recipe.Av1().Packets(ivf => ivf.WithPackets((packet, _) => [packet.Data.AsSpan().StartsWith(Delimiter) ? packet with { Data = packet.Data[2..] } : packet]))),
        new("av1-two-delimiters", Recipe.Av1().Packets(ivf => ivf.WithPackets((packet, _) => [packet with { Data = [.. Delimiter, .. packet.Data] }])), Errors.Any),
        new("av1-two-units-in-a-packet", Simple.Packets(ivf => ivf.WithPackets((packet, i) => i is < 4 or > 5 ? [packet] : i == 4 ? [packet with { Data = [.. packet.Data, .. ivf.Packets[5].Data] }] : [])), Errors.Any),
        new("av1-joined-same", Recipe.Av1().Then(Recipe.Av1())),
        new("av1-joined-up", Recipe.Av1().Then(Recipe.Av1(size: "177x97"))),
        new("av1-joined-down", Recipe.Av1(size: "177x97").Then(Recipe.Av1())),
        new("av1-joined-sizes", Recipe.Av1(size: "16x16").Then(Recipe.Av1(), Recipe.Av1(size: "33x15"), Recipe.Av1(size: "200x100"), Recipe.Av1())),
        new("av1-begins-in-the-middle", Recipe.Av1("-g 6 -lag-in-frames 0 -usage realtime", frames: 20).Packets(ivf => ivf.Without(0)), Errors.Any),
        new("av1-never-a-key", Simple.Packets(ivf => ivf.Without(0)), Errors.Some),
        new("av1-joined-without-key", Simple.Then(Simple.Packets(ivf => ivf.Without(0))), Errors.Any),
        new("av1-lost-picture", Simple.Packets(ivf => ivf.Without(5)), Errors.Any),
        new("av1-doubled-picture", Simple.Packets(ivf => ivf.WithPackets((packet, i) => i == 5 ? [packet, packet] : [packet])), Errors.Any),
        new("av1-swapped-pictures", Simple.Packets(ivf => ivf with { Packets = [.. ivf.Packets.Take(5), ivf.Packets[6], ivf.Packets[5], .. ivf.Packets.Skip(7)] }), Errors.Any),
        .. new[] { 2, 5, 9 }.Select(number => new CorpusCase($"av1-cut-picture-{number}", Simple.Packets(ivf => ivf.WithPacket(number, frame => frame[..(frame.Length / 2)])), Errors.Any)),
        .. Enumerable.Range(1, 8).Select(seed => new CorpusCase($"av1-flipped-bits-{seed}", Simple.Packets(ivf => Damage.Flip(ivf, seed)), Errors.Any)),
    ];
}
