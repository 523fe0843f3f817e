// Whether the pictures are the right ones.
namespace VirtioUser.Demo.Video;

/// <summary>Compares two listings of FFmpeg's format framemd5.</summary>
/// <param name="Frames">Pictures in the listing that must be met.</param>
/// <param name="Equal">Those whose line is the same: time, size and MD5.</param>
/// <param name="Difference">The first line that differs, for people; null if all of the two listings is the same.</param>
internal sealed record Proof(int Frames, int Equal, string? Difference)
{
    /// <summary>True if every picture is the same, and nothing else came, and there was something to compare.</summary>
    public bool Holds => Difference is null && Frames > 0;

    /// <summary>Compares.</summary>
    /// <param name="expected">What ffmpeg says, line by line.</param>
    /// <param name="actual">What is to be proved.</param>
    public static Proof Of(IEnumerable<string> expected, IEnumerable<string> actual)
    {
        string[] right = [.. expected.Where(Counts)], given = [.. actual.Where(Counts)];
        var equal = 0;
        string? difference = null;
        for (var i = 0; i < Math.Max(right.Length, given.Length); i++)
        {
            string rightLine = i < right.Length ? right[i] : "nothing", givenLine = i < given.Length ? given[i] : "nothing";
            if (rightLine != givenLine)
            {
                difference ??= $"ffmpeg says \"{rightLine}\", vu-play \"{givenLine}\"";
            }
            else if (IsPicture(rightLine))
            {
                equal++;
            }
        }

        return new Proof(right.Count(IsPicture), equal, difference);
    }

    private static bool IsPicture(string line) => !line.StartsWith('#');

    // Who wrote the listing may differ.
    private static bool Counts(string line) => line.Length > 0 && !line.StartsWith("#software", StringComparison.Ordinal);
}
