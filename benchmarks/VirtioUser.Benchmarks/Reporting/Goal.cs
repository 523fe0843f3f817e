// What a figure should be.
using System.Globalization;

namespace VirtioUser.Benchmarks.Reporting;

/// <summary>A bound for a figure. Goals are reported; a run succeeds without them.</summary>
/// <param name="OfRatio">Whether the ratio is bound; otherwise our own figure is, in its unit.</param>
/// <param name="AtMost">Whether the bound is the largest value that is good; otherwise it is the smallest.</param>
/// <param name="Bound">The bound.</param>
internal sealed record Goal(bool OfRatio, bool AtMost, double Bound)
{
    /// <summary>A ratio of at most this.</summary>
    public static Goal RatioAtMost(double bound) => new(true, true, bound);

    /// <summary>A ratio of at least this.</summary>
    public static Goal RatioAtLeast(double bound) => new(true, false, bound);

    /// <summary>Our own figure is at most this.</summary>
    public static Goal OursAtMost(double bound) => new(false, true, bound);

    /// <summary>Whether a figure reaches it.</summary>
    /// <param name="ours">Our own figure.</param>
    /// <param name="ratio">The ratio.</param>
    public bool Holds(double ours, double? ratio)
    {
        var value = OfRatio ? ratio : ours;
        return AtMost ? value <= Bound : value >= Bound;
    }

    /// <summary>As people write it: "ratio &lt;= 1.15".</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{(OfRatio ? "ratio" : "ours")} {(AtMost ? "<=" : ">=")} {Bound:0.###}");
}
