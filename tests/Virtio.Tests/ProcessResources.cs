// Counts what a process must not lose: descriptors and mappings.
using Virtio.Linux;

namespace Virtio.Tests;

internal static class ProcessResources
{
    /// <summary>Number of open descriptors of this process, without those that are about to be closed.</summary>
    internal static int CountDescriptors()
    {
        Xunit.Assert.True(SpinWait.SpinUntil(() => UnixSocket.AreDiscardedClosed, TimeSpan.FromSeconds(30)), "sockets are being closed for ever");
        return Directory.GetFiles("/proc/self/fd").Length;
    }

    /// <summary>Number of mappings of memfds with a name.</summary>
    internal static int CountMappings(string memFdName) =>
        File.ReadLines("/proc/self/maps").Count(line => line.Contains($"/memfd:{memFdName} ", StringComparison.Ordinal));

    /// <summary>Runs something twice, and expects the second time to leave nothing open (the first may load code).</summary>
    internal static void AssertNothingLeaks(Action action)
    {
        action();
        var before = CountDescriptors();
        action();
        Xunit.Assert.Equal(before, CountDescriptors());
    }
}
