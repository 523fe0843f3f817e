// What a daemon holds of the system, as /proc shows it.
using System.Diagnostics;
using System.Globalization;

namespace VirtioUser.Daemon.Tests.Support;

internal static class DaemonMemory
{
    /// <summary>How many bytes of memory the arena takes.</summary>
    public static long ArenaBytes(int process)
    {
        var arena = Descriptors(process).Single(link => link.Target.StartsWith("/memfd:virtio-user-arena", StringComparison.Ordinal)).Path;
        var start = new ProcessStartInfo("stat", ["--dereference", "--format=%b", arena]) { RedirectStandardOutput = true };
        using var stat = Process.Start(start)!;
        var blocks = stat.StandardOutput.ReadToEnd();
        stat.WaitForExit();
        return long.Parse(blocks, CultureInfo.InvariantCulture) * 512;
    }

    /// <summary>Waits until the last driver's memory is given back, which begins when its connection is closed.</summary>
    public static async Task WaitForEmptyArenaAsync(int process)
    {
        var began = Stopwatch.GetTimestamp();
        while (ArenaBytes(process) is var left && left > 0)
        {
            Patience.Left(began, $"the arena holds {left} bytes");
            await Task.Yield();
        }
    }

    /// <summary>How many descriptors are open.</summary>
    public static int OpenDescriptors(int process) => Descriptors(process).Count();

    /// <summary>How many sockets are open.</summary>
    public static int Sockets(int process) => Descriptors(process).Count(link => link.Target.StartsWith("socket:", StringComparison.Ordinal));

    /// <summary>Waits until the last connection is closed: its socket is the last thing that it gives back.</summary>
    /// <param name="process">The daemon.</param>
    /// <param name="atRest">How many sockets it has without a connection.</param>
    public static async Task WaitForNoConnectionAsync(int process, int atRest)
    {
        var began = Stopwatch.GetTimestamp();
        while (Sockets(process) > atRest)
        {
            Patience.Left(began, "the last connection is closed");
            await Task.Yield();
        }
    }

    /// <summary>How many mappings of guest memory there are.</summary>
    public static int GuestMappings(int process) =>
        File.ReadLines($"/proc/{process}/maps").Count(line => line.Contains("/memfd:guest-ram", StringComparison.Ordinal));

    private static IEnumerable<(string Path, string Target)> Descriptors(int process)
    {
        foreach (var link in new DirectoryInfo($"/proc/{process}/fd").EnumerateFiles())
        {
            if (link.LinkTarget is { } target)
            {
                yield return (link.FullName, target);
            }
        }
    }

    /// <summary>Whether a thread is inside a write of as many bytes as an eventfd takes (x86-64: system call 1).</summary>
    public static bool IsSignalling(int process) =>
        Directory.EnumerateDirectories($"/proc/{process}/task").Any(thread =>
        {
            try
            {
                return File.ReadAllText(Path.Combine(thread, "syscall")).Split(' ') is ["1", _, _, "0x8", ..];
            }
            catch (IOException)
            {
                return false; // it has ended meanwhile
            }
        });
}
