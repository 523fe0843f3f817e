// How often a process that should sleep wakes up.
using System.Globalization;

namespace VirtioUser.Benchmarks.Measuring;

/// <summary>How often each thread of a process has gone to sleep so far: each time something wakes it again.</summary>
internal sealed class SleepCounts
{
    private const string Key = "voluntary_ctxt_switches:";

    private readonly Dictionary<string, long> _threads = [];

    private SleepCounts()
    {
    }

    /// <summary>Counts.</summary>
    /// <param name="process">The process's ID.</param>
    public static SleepCounts Of(int process)
    {
        SleepCounts counts = new();
        foreach (var thread in Directory.GetDirectories($"/proc/{process}/task"))
        {
            try
            {
                var line = File.ReadLines(Path.Combine(thread, "status")).First(line => line.StartsWith(Key, StringComparison.Ordinal));
                counts._threads[thread] = long.Parse(line.AsSpan(Key.Length), CultureInfo.InvariantCulture);
            }
            catch (IOException)
            {
                // It has ended since the folder was read.
            }
        }

        return counts;
    }

    /// <summary>What has come to it since; threads that have ended meanwhile do not count.</summary>
    /// <param name="before">Earlier counts of the same process.</param>
    public long Since(SleepCounts before) => _threads.Sum(thread => thread.Value - before._threads.GetValueOrDefault(thread.Key));
}
