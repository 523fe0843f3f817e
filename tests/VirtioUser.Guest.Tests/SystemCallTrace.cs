// Which system calls a thread makes, as the guest's kernel sees it.
using System.Globalization;
using System.Text.RegularExpressions;

namespace VirtioUser.Guest.Tests;

/// <summary>A system call.</summary>
/// <param name="Number">Its number on x86-64.</param>
/// <param name="SecondArgument">For an ioctl: the request.</param>
internal readonly partial record struct SystemCall(int Number, ulong SecondArgument)
{
    private const string Tracing = "/sys/kernel/debug/tracing";
    private const string Event = Tracing + "/events/raw_syscalls/sys_enter";

    /// <summary>Runs an action and lists what it and the switching on and off around it called, on this thread.</summary>
    public static IReadOnlyList<SystemCall> Trace(Action action)
    {
        // PID/task/TID
        var thread = Path.GetFileName(Directory.ResolveLinkTarget("/proc/thread-self", returnFinalTarget: false)!.FullName);
        File.WriteAllText(Event + "/filter", $"common_pid == {thread}");
        // Only opening the trace with O_TRUNC would empty it, and .NET truncates what it has opened.
        var mark = Guid.NewGuid().ToString("N");
        File.WriteAllText(Tracing + "/trace_marker", mark);
        File.WriteAllText(Event + "/enable", "1");
        try
        {
            action();
        }
        finally
        {
            File.WriteAllText(Event + "/enable", "0");
        }

        var trace = File.ReadAllText(Tracing + "/trace");
        return
        [
            .. Line().Matches(trace[trace.LastIndexOf(mark, StringComparison.Ordinal)..]).Select(match => new SystemCall(
                int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture),
                ulong.Parse(match.Groups[2].Value, NumberStyles.HexNumber, CultureInfo.InvariantCulture))),
        ];
    }

    [GeneratedRegex(@"sys_enter: NR (\d+) \([0-9a-f]+, ([0-9a-f]+),")]
    private static partial Regex Line();
}
