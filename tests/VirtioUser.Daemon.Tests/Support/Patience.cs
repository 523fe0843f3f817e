// How long a test waits before it says that something never happened.
using System.Diagnostics;

namespace VirtioUser.Daemon.Tests.Support;

/// <summary>Much longer than anything takes on a busy machine: running out is a failure, not a measurement.</summary>
internal static class Patience
{
    public static TimeSpan Limit { get; } = TimeSpan.FromSeconds(30);

    /// <summary>Milliseconds that are left of the limit; throws when none are.</summary>
    public static int Left(long began, string what)
    {
        var left = Limit - Stopwatch.GetElapsedTime(began);
        return left > TimeSpan.Zero ? (int)left.TotalMilliseconds + 1 : throw new TimeoutException($"Waited in vain: {what}.");
    }
}
