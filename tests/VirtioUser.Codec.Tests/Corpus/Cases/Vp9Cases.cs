// VP9.
using VirtioUser.Codec.Tests.Corpus.Bits;

namespace VirtioUser.Codec.Tests.Corpus.Cases;

/// <summary>Sizes, kinds of samples, hidden and repeated pictures, references of other sizes.</summary>
internal static class Vp9Cases
{
    private static Recipe Simple => Recipe.Vp9("-auto-alt-ref 0 -lag-in-frames 0 -error-resilient 0");

    public static IReadOnlyList<CorpusCase> All { get; } =
    [
        .. new[] { "1x1", "2x2", "7x5", "17x33", "65x63", "178x98", "1x100", "321x17" }.Select(size => new CorpusCase("vp9-size-" + size, Recipe.Vp9("-vf scale=" + size.Replace('x', ':')))),
        .. new[] { "yuv422p", "yuv444p", "yuv440p", "yuv420p10le", "yuv422p10le", "yuv444p10le", "yuv420p12le", "yuv444p12le", "gbrp" }.Select(format => new CorpusCase(
            "vp9-samples-" + format, Recipe.Vp9("-pix_fmt " + format))),
        new("vp9-samples-yuv444p-odd", Recipe.Vp9("-pix_fmt yuv444p", size: "65x33")),
        new("vp9-hidden-pictures", Recipe.Vp9("-auto-alt-ref 1 -lag-in-frames 16", frames: 40)),
        new("vp9-hidden-pictures-layers", Recipe.Vp9("-auto-alt-ref 6 -lag-in-frames 25", frames: 40)),
        new("vp9-no-hidden-pictures", Simple),
        new("vp9-resilient", Recipe.Vp9("-auto-alt-ref 0 -lag-in-frames 0 -error-resilient 1")),
        new("vp9-parallel", Recipe.Vp9("-frame-parallel 1 -auto-alt-ref 1 -lag-in-frames 10", frames: 24)),
        new("vp9-tiles", Recipe.Vp9("-tile-columns 2 -tile-rows 1", size: "1024x64", frames: 6)),
        new("vp9-lossless", Recipe.Vp9("-lossless 1")),
        new("vp9-only-key", Recipe.Vp9("-g 1")),
        new("vp9-short-gop", Recipe.Vp9("-g 4", frames: 20)),
        new("vp9-one-picture", Recipe.Vp9(frames: 1)),
        .. new[] { 0, 3, 7 }.Select(place => new CorpusCase($"vp9-shows-again-{place}", Simple.Packets(ivf => Inserted(ivf, 6, Vp9Frame.ShowExisting(place))))),
        new("vp9-shows-again-three-times", Simple.Packets(ivf => Inserted(Inserted(Inserted(ivf, 6, Vp9Frame.ShowExisting(0)), 6, Vp9Frame.ShowExisting(1)), 6, Vp9Frame.ShowExisting(0)))),
        new("vp9-shows-again-at-the-end", Simple.Packets(ivf => Inserted(ivf, 12, Vp9Frame.ShowExisting(0)))),
        new("vp9-shows-again-first", Simple.Packets(ivf => Inserted(ivf, 0, Vp9Frame.ShowExisting(0))), Errors.Some),
        new("vp9-superframe-of-shown", Simple.Packets(ivf => ivf.WithPackets((packet, i) => i is < 4 or > 5 ? [packet] : i == 4 ? [packet with { Data = Superframe(packet.Data, ivf.Packets[5].Data) }] : [])), Errors.Any),
        .. new[] { (32, 24), (128, 96), (33, 47), (96, 48), (63, 47) }.Select(size => new CorpusCase(
            $"vp9-scaled-to-{size.Item1}x{size.Item2}", Simple.Packets(ivf => ivf.WithPacket(5, frame => Vp9Frame.WithSize(frame, size.Item1, size.Item2))))),
        new("vp9-scaled-up-and-down", Simple.Packets(ivf => ivf.WithPacket(3, frame => Vp9Frame.WithSize(frame, 100, 80)).WithPacket(6, frame => Vp9Frame.WithSize(frame, 51, 41)).WithPacket(9, frame => Vp9Frame.WithSize(frame, 64, 48)))),
        new("vp9-joined-same", Recipe.Vp9().Then(Recipe.Vp9())),
        new("vp9-joined-up", Recipe.Vp9().Then(Recipe.Vp9(size: "177x97"))),
        new("vp9-joined-down", Recipe.Vp9(size: "177x97").Then(Recipe.Vp9())),
        new("vp9-joined-sizes", Recipe.Vp9(size: "16x16").Then(Recipe.Vp9(), Recipe.Vp9(size: "33x15"), Recipe.Vp9(size: "200x100"), Recipe.Vp9())),
        new("vp9-begins-in-the-middle", Recipe.Vp9("-g 6 -auto-alt-ref 0 -lag-in-frames 0", frames: 20).Packets(ivf => ivf.Without(0)), Errors.Some),
        new("vp9-begins-in-the-middle-resilient", Recipe.Vp9("-g 6 -auto-alt-ref 0 -lag-in-frames 0 -error-resilient 1", frames: 20).Packets(ivf => ivf.Without(0, 1)), Errors.Some),
        new("vp9-never-a-key", Simple.Packets(ivf => ivf.Without(0)), Errors.Some),
        new("vp9-joined-without-key", Simple.Then(Simple.Packets(ivf => ivf.Without(0))), Errors.Any),
        new("vp9-lost-picture", Simple.Packets(ivf => ivf.Without(5)), Errors.Any),
        new("vp9-doubled-picture", Simple.Packets(ivf => ivf.WithPackets((packet, i) => i == 5 ? [packet, packet] : [packet])), Errors.Any),
        new("vp9-swapped-pictures", Simple.Packets(ivf => ivf with { Packets = [.. ivf.Packets.Take(5), ivf.Packets[6], ivf.Packets[5], .. ivf.Packets.Skip(7)] }), Errors.Any),
        .. new[] { 2, 5, 9 }.Select(number => new CorpusCase($"vp9-cut-picture-{number}", Simple.Packets(ivf => ivf.WithPacket(number, frame => frame[..(frame.Length / 2)])), Errors.Any)),
        .. Enumerable.Range(1, 8).Select(seed => new CorpusCase($"vp9-flipped-bits-{seed}", Simple.Packets(ivf => Damage.Flip(ivf, seed)), Errors.Any)),
    ];

    private static IvfFile Inserted(IvfFile ivf, int at, byte[] frame) =>
        (ivf with { Packets = [.. ivf.Packets.Take(at), new(at, frame), .. ivf.Packets.Skip(at)] }).WithTimestamps(i => i);

    // Two frames and an index of them (VP9 bitstream specification, Annex B), with two bytes for each size.
    private static byte[] Superframe(byte[] first, byte[] second) =>
        [.. first, .. second, 0xc9, (byte)first.Length, (byte)(first.Length >> 8), (byte)second.Length, (byte)(second.Length >> 8), 0xc9];
}
