// The host's own threads.
using System.Runtime.CompilerServices;

namespace VirtioUser.Host;

/// <summary>
/// Starts threads. Not ones of the pool, since devices may keep all of these. A guest that opens many instances of
/// slow devices can use up what the system grants; whoever starts a thread must be able to do without.
/// </summary>
internal static class HostThread
{
    /// <summary>For tests: when true, the system has no thread left for threads that descend from the one that set this.</summary>
    internal static AsyncLocal<StrongBox<bool>?> Exhausted { get; } = new();

    /// <summary>Starts a background thread.</summary>
    /// <returns>False if the system has no thread left.</returns>
    public static bool TryStart(ThreadStart main, string name)
    {
        if (Exhausted.Value is { Value: true })
        {
            return false;
        }

        try
        {
            new Thread(main) { IsBackground = true, Name = name }.Start();
            return true;
        }
        catch (OutOfMemoryException)
        {
            return false; // what .NET throws when the system has no thread left
        }
    }
}
