// Names for the test device's gates that no other test has.
namespace VirtioUser.Daemon.Tests.Support;

internal static class Gates
{
    private static long s_last = 0x10000;

    public static ulong New() => (ulong)Interlocked.Increment(ref s_last);
}
