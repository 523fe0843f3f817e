// What could not be compared.
namespace VirtioUser.Benchmarks.Reporting;

/// <summary>Figures that a group would have had, which is said and not passed over.</summary>
/// <param name="Name">Which ones.</param>
/// <param name="Reason">Why not, in one line.</param>
internal sealed record LeftOut(string Name, string Reason)
{
    /// <summary>For an error whose message may have more lines.</summary>
    /// <param name="name">Which figures.</param>
    /// <param name="exception">Why not.</param>
    public static LeftOut Because(string name, Exception exception) => new(name, exception.Message.Split('\n')[0]);
}
