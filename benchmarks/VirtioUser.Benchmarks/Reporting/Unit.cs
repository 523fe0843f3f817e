// What figures are counted in.
using System.Globalization;

namespace VirtioUser.Benchmarks.Reporting;

/// <summary>A unit of the results.</summary>
/// <param name="Name">As the results name it.</param>
/// <param name="PerBase">How much of it one of the measured unit (nanosecond, byte, operation a second) is.</param>
/// <param name="MoreIsBetter">Whether larger figures are the better ones.</param>
internal sealed record Unit(string Name, double PerBase, bool MoreIsBetter = false)
{
    /// <summary>Microseconds, measured in nanoseconds.</summary>
    public static Unit Microseconds { get; } = new("us", 1e-3);

    /// <summary>Milliseconds, measured in nanoseconds.</summary>
    public static Unit Milliseconds { get; } = new("ms", 1e-6);

    /// <summary>Thousands a second, measured in operations a second.</summary>
    public static Unit ThousandsPerSecond { get; } = new("k/s", 1e-3, MoreIsBetter: true);

    /// <summary>Megabytes (10^6) a second, measured in bytes a second.</summary>
    public static Unit MegabytesPerSecond { get; } = new("MB/s", 1e-6, MoreIsBetter: true);

    /// <summary>Pictures a second.</summary>
    public static Unit PicturesPerSecond { get; } = new("/s", 1, MoreIsBetter: true);

    /// <summary>Processors that were kept busy: processor time divided by wall time.</summary>
    public static Unit Processors { get; } = new("CPUs", 1, MoreIsBetter: true);

    /// <summary>Threads.</summary>
    public static Unit Threads { get; } = new("threads", 1);

    /// <summary>How often in a second something happens that need not.</summary>
    public static Unit TimesPerSecond { get; } = new("/s", 1);

    /// <summary>Bytes.</summary>
    public static Unit Bytes { get; } = new("B", 1);

    /// <summary>Mebibytes, measured in bytes.</summary>
    public static Unit Mebibytes { get; } = new("MiB", 1.0 / (1 << 20));

    /// <summary>A number for people: three digits that count, and the unit.</summary>
    /// <param name="value">The figure, in this unit.</param>
    public string Show(double value) => Number(value) + ' ' + Name;

    /// <summary>Three digits that count.</summary>
    /// <param name="value">Any number.</param>
    public static string Number(double value) => Math.Abs(value) switch
    {
        0 => "0",
        >= 100 => value.ToString("N0", CultureInfo.InvariantCulture),
        >= 10 => value.ToString("0.0", CultureInfo.InvariantCulture),
        >= 1 => value.ToString("0.00", CultureInfo.InvariantCulture),
        _ => value.ToString("0.###", CultureInfo.InvariantCulture),
    };
}
