// Processor time, of this process and of others.
using System.Globalization;

namespace VirtioUser.Benchmarks.Measuring;

/// <summary>What processes have used so far.</summary>
internal static class CpuTime
{
    // What /proc counts in: sysconf(_SC_CLK_TCK), 100 on every Linux for x86-64.
    private const double TicksPerSecond = 100;

    /// <summary>User and system time of this process and of others together.</summary>
    /// <param name="others">The other processes.</param>
    public static TimeSpan WithOwn(params ReadOnlySpan<int> others)
    {
        var sum = Environment.CpuUsage.TotalTime;
        foreach (var process in others)
        {
            sum += Of(process);
        }

        return sum;
    }

    /// <summary>User and system time of a process with all its threads, exact to 10 ms.</summary>
    /// <param name="process">Its ID.</param>
    public static TimeSpan Of(int process)
    {
        var stat = File.ReadAllText($"/proc/{process}/stat");
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' '); // from field 3 on: the name may hold spaces
        return TimeSpan.FromSeconds((Number(fields[11]) + Number(fields[12])) / TicksPerSecond);

        static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);
    }
}
