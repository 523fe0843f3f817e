// Where one thread may be overtaken by another.
using System.Runtime.CompilerServices;

namespace VirtioUser.Host;

/// <summary>
/// For tests that run all orders of a few threads: a place between two steps that are each under a lock. Without the switch, which is
/// read once, the runtime leaves the calls out.
/// </summary>
internal static class Seam
{
    /// <summary>The name of the switch in <see cref="AppContext"/>.</summary>
    public const string Switch = "VirtioUser.Host.Seams";

    private static readonly bool IsOn = AppContext.TryGetSwitch(Switch, out var isOn) && isOn;

    /// <summary>What to do there. Called on all threads.</summary>
    public static Action? Reached { get; set; }

    /// <summary>A thread holds no lock here.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Pass()
    {
        if (IsOn)
        {
            Reached?.Invoke();
        }
    }
}
