// What came of one clip.
using VirtioUser.Vm;

namespace VirtioUser.Demo.Video;

/// <summary>The figures of a clip.</summary>
/// <param name="Title">The clip.</param>
/// <param name="Proved">How the pictures were compared.</param>
/// <param name="Native">Runs of ffmpeg on this machine.</param>
/// <param name="Ours">Runs of vu-play, each right behind the one of the same place in <paramref name="Native"/>.</param>
/// <param name="Alone">ffmpeg in software in the guest; null without a VM.</param>
internal sealed record FilmResult(string Title, Proof Proved, IReadOnlyList<Decoding> Native, IReadOnlyList<PlayerSummary> Ours, Decoding? Alone)
{
    /// <summary>Median rate of ffmpeg on this machine.</summary>
    public double NativeRate => Median(Native.Select(run => run.Rate));

    /// <summary>Median rate of vu-play.</summary>
    public double OurRate => Median(Ours.Select(run => run.Decoding.Rate));

    /// <summary>Median of the rounds' ratios: what both met in the same seconds is compared.</summary>
    public double Ratio => Median(Ours.Zip(Native, (ours, native) => ours.Decoding.Rate / native.Rate));

    private static double Median(IEnumerable<double> values)
    {
        double[] ascending = [.. values.Order()];
        return (ascending[ascending.Length / 2] + ascending[(ascending.Length - 1) / 2]) / 2;
    }
}
