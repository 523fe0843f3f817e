// What the way of a ping does only to be fast.
namespace VirtioUser.Host.Pings;

/// <summary>
/// Each is right without, and slower; group 10 of the benchmarks shows how much: it sets the switch that is named beside it to false in the
/// <c>runtimeconfig.json</c> of a daemon. Nobody else has a reason to.
/// </summary>
internal static class Shortcuts
{
    /// <summary>Of <see cref="PingsOfATurn"/>.</summary>
    public const string Turns = "VirtioUser.Host.Turns";

    /// <summary>Of <see cref="TakesBackKicks"/>.</summary>
    public const string ComingBack = "VirtioUser.Host.ComingBack";

    /// <summary>How many pings of one instance a thread runs before it looks at the lane again.</summary>
    public static readonly int PingsOfATurn = Has(Turns) ? 16 : 1;

    /// <summary>Whether a thread takes the wish for kicks back before it answers: it looks at the ring next.</summary>
    public static readonly bool TakesBackKicks = Has(ComingBack);

    private static bool Has(string name) => !AppContext.TryGetSwitch(name, out var has) || has;
}
