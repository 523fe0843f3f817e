// The threads that .NET starts for itself.
namespace VirtioUser.Daemon;

/// <summary>
/// The runtime starts some threads of its own when they are first wanted, for which it needs descriptors. Where none is left by then it
/// ends the process: "Failed to create the thread pool Gate thread". Once there they stay.
/// </summary>
internal static class RuntimeThreads
{
    /// <summary>Has them started, before a peer can use up what they need.</summary>
    public static async Task StartAsync()
    {
        await Task.Run(static () => { }).ConfigureAwait(false); // the thread pool's first worker, and who watches over the pool
        await Task.Delay(1).ConfigureAwait(false); // the one for timers
    }
}
