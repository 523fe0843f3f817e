// Named gates, through which one instance lets another one go on.
using System.Collections.Concurrent;

namespace TestDevice;

/// <summary>Gates live as long as the assembly; tests choose names that nobody else has.</summary>
internal static class Gate
{
    // A test that was killed must not leave a callback behind for good.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private static readonly ConcurrentDictionary<ulong, ManualResetEventSlim> Gates = new();

    public static void Wait(ulong name)
    {
        if (!Named(name).Wait(Patience))
        {
            throw new TimeoutException($"Nobody opened gate {name:x}.");
        }
    }

    public static void Open(ulong name) => Named(name).Set();

    private static ManualResetEventSlim Named(ulong name) => Gates.GetOrAdd(name, _ => new ManualResetEventSlim());
}
