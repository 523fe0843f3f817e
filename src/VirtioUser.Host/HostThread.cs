// The host's own threads.
namespace VirtioUser.Host;

/// <summary>
/// Starts threads. Not ones of the pool, since devices may keep all of these. A guest that opens many instances of
/// slow devices can use up what the system grants; whoever starts a thread must be able to do without.
/// </summary>
internal static class HostThread
{
    /// <summary>Starts a background thread.</summary>
    /// <returns>False if the system has no thread left.</returns>
    public static bool TryStart(ThreadStart main, string name)
    {
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
