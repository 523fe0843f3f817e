// What a daemon holds of the system, as /proc shows it.
using System.Diagnostics;
using System.Globalization;

namespace VirtioUser.Daemon.Tests.Support;

/// <summary>
/// Looks at a process that goes on meanwhile: descriptors and mappings come and go, so whatever is to be of a certain number
/// is waited for.
/// </summary>
internal static class DaemonMemory
{
    private const string ArenaName = "/memfd:virtio-user-arena";

    /// <summary>How many bytes of memory the arena takes. Waits until there is but one, if an earlier connection's is about to go.</summary>
    public static long ArenaBytes(int process)
    {
        var began = Stopwatch.GetTimestamp();
        while (true)
        {
            // The same arena can be open twice: a front-end sends it back in its memory table.
            var arenas = TryStatArenas(process);
            if (arenas?.Count == 1)
            {
                return arenas.Values.Single();
            }

            Patience.Left(began, $"the daemon has one arena, and not {arenas?.Count}");
        }
    }

    /// <summary>Waits until as many arenas are left, by descriptors and by mappings.</summary>
    public static void WaitForArenas(int process, int count) => WaitFor(
        () => (TryStatArenas(process)?.Count, Mappings(process, ArenaName).Distinct().Count()), (count, count), "arenas");

    /// <summary>How many descriptors are open.</summary>
    public static int OpenDescriptors(int process) => Descriptors(process).Count(link => !link.Target.EndsWith(".dll", StringComparison.Ordinal)); // code is loaded when it is needed

    /// <summary>How many sockets are open.</summary>
    public static int Sockets(int process) => Descriptors(process).Count(link => link.Target.StartsWith("socket:", StringComparison.Ordinal));

    /// <summary>Waits until there are at most as many sockets.</summary>
    public static void WaitForSockets(int process, int most) => WaitFor(() => Sockets(process) <= most, true, $"at most {most} sockets");

    /// <summary>Waits until the last connection is closed, with all that it had.</summary>
    /// <param name="process">The daemon.</param>
    /// <param name="most">How many descriptors it had without a connection, or a few more if some were about to be closed.</param>
    public static void WaitForDescriptors(int process, int most) =>
        WaitFor(() => OpenDescriptors(process) <= most, true, $"at most {most} open descriptors");

    /// <summary>How much memory it has that is of no file, in KiB: heaps and stacks, and no arena.</summary>
    public static long PrivateKiB(int process) => long.Parse(
        File.ReadLines($"/proc/{process}/smaps_rollup").Single(line => line.StartsWith("Anonymous:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
        CultureInfo.InvariantCulture);

    /// <summary>How many threads there are.</summary>
    public static int Threads(int process) => Directory.EnumerateDirectories($"/proc/{process}/task").Count();

    /// <summary>Waits until there are at most as many threads.</summary>
    public static void WaitForThreads(int process, int most) => WaitFor(() => Threads(process) <= most, true, $"at most {most} threads");

    /// <summary>How many threads of a name there are.</summary>
    public static int Threads(int process, string name) => Calls(process, name).Count();

    /// <summary>How many mappings of guest memory there are.</summary>
    public static int GuestMappings(int process) => Mappings(process, "/memfd:guest-ram").Count();

    /// <summary>Whether a thread is inside a write of as many bytes as an eventfd takes (x86-64: system call 1).</summary>
    public static bool IsSignalling(int process) => Calls(process, "").Any(call => call.Split(' ') is ["1", _, _, "0x8", ..]);

    /// <summary>
    /// Waits until the threads of a name sleep for want of work: each of many looks finds them in epoll_wait or epoll_pwait
    /// (x86-64: system calls 232 and 281). One that goes round and round is running or ready to at each look.
    /// </summary>
    public static void WaitForSleep(int process, string thread)
    {
        var began = Stopwatch.GetTimestamp();
        for (var asleep = 0; asleep < 100;)
        {
            Thread.Yield();
            var calls = Calls(process, thread).ToList();
            asleep = calls.Count > 0 && calls.TrueForAll(call => call.StartsWith("232 ", StringComparison.Ordinal) || call.StartsWith("281 ", StringComparison.Ordinal))
                ? asleep + 1
                : 0;
            Patience.Left(began, $"the thread '{thread}' sleeps");
        }
    }

    private static void WaitFor<T>(Func<T> look, T wanted, string what)
    {
        var began = Stopwatch.GetTimestamp();
        while (look() is var seen && !EqualityComparer<T>.Default.Equals(seen, wanted))
        {
            Patience.Left(began, $"{what}: {seen}, not {wanted}");
            Thread.Yield();
        }
    }

    // The numbers of the mapped files: one can be mapped more than once.
    private static IEnumerable<string> Mappings(int process, string name) =>
        File.ReadLines($"/proc/{process}/maps").Where(line => line.Contains(name, StringComparison.Ordinal))
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[4]);

    /// <summary>The bytes of each arena, by its number; null if one was closed between two looks.</summary>
    private static Dictionary<string, long>? TryStatArenas(int process)
    {
        string[] paths = [.. Descriptors(process).Where(link => link.Target.StartsWith(ArenaName, StringComparison.Ordinal)).Select(link => link.Path)];
        if (paths.Length == 0)
        {
            return [];
        }

        var start = new ProcessStartInfo("stat", ["--dereference", "--format=%i %b %F", .. paths]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var stat = Process.Start(start)!;
        var lines = stat.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        stat.WaitForExit();
        return stat.ExitCode != 0
            ? null
            : lines.Select(line => line.Split(' ')).DistinctBy(words => words[0])
                .ToDictionary(words => words[0], words => long.Parse(words[1], CultureInfo.InvariantCulture) * 512);
    }

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

    // In what system call each thread is, with its arguments.
    private static IEnumerable<string> Calls(int process, string thread)
    {
        foreach (var folder in Directory.EnumerateDirectories($"/proc/{process}/task"))
        {
            string call;
            try
            {
                if (!File.ReadAllText(Path.Combine(folder, "comm")).StartsWith(thread, StringComparison.Ordinal))
                {
                    continue;
                }

                call = File.ReadAllText(Path.Combine(folder, "syscall"));
            }
            catch (IOException)
            {
                continue; // it has ended meanwhile
            }

            yield return call;
        }
    }
}
