// Which processors the two sides of a round trip may use.
using System.Globalization;
using VirtioUser.Benchmarks.Measuring;
using VirtioUser.Vm;

namespace VirtioUser.Benchmarks.Processes;

/// <summary>
/// Where programs run. Left to itself, Linux puts two processes that wake each other now on one processor and now on
/// two; to wake one that idles costs several times what a change of processes does. So both cases are measured apart as well.
/// </summary>
/// <param name="Name">What people see, after the name of what is measured.</param>
/// <param name="Here">The processors of this process and of those that it starts, as taskset takes them.</param>
/// <param name="There">The processors of the processes at the other end.</param>
internal sealed record Placement(string Name, string Here, string There)
{
    private const string AllowedKey = "Cpus_allowed_list:";

    private static readonly string Allowed = File.ReadLines("/proc/self/status").First(line => line.StartsWith(AllowedKey, StringComparison.Ordinal))[AllowedKey.Length..].Trim();

    /// <summary>As Linux likes it.</summary>
    public static Placement Any { get; } = new("", Allowed, Allowed);

    /// <summary>All that this machine can do: <see cref="Any"/> first; with one processor nothing else.</summary>
    public static IReadOnlyList<Placement> All { get; } = Numbers() switch
    {
        [string first, string second, ..] => [Any, new(" on one processor", first, first), new(" on two processors", first, second)],
        _ => [Any],
    };

    /// <summary>Each side on a processor of its own, as a VM and its host are; <see cref="Any"/> where there is only one.</summary>
    public static Placement Apart { get; } = All[^1];

    /// <summary>
    /// Both sides on one processor: for what is compared with itself, since where else Linux puts two processes is chance, and costs more than
    /// what is compared.
    /// </summary>
    public static Placement Together { get; } = All.Count > 1 ? All[1] : Any;

    /// <summary>The processor of the other end for a program that binds itself.</summary>
    public string Processor => this == Any ? "any" : There;

    /// <summary>Measures with both ends bound, and lets this process go afterwards.</summary>
    /// <param name="contenders">Who takes turns.</param>
    /// <param name="rounds">How often and how long.</param>
    /// <param name="busyWith">Told who is measured.</param>
    /// <param name="cancellationToken">Ends it between two turns.</param>
    public async Task<IReadOnlyList<Series>> MeasureAsync(
        IReadOnlyList<Contender> contenders, Rounds rounds, Action<string> busyWith, CancellationToken cancellationToken)
    {
        await ApplyAsync(contenders.SelectMany(contender => contender.Others));
        try
        {
            return await rounds.MeasureAsync(contenders, busyWith, cancellationToken);
        }
        finally
        {
            await Any.ApplyAsync();
        }
    }

    /// <summary>Binds all threads of this process, and of those at the other end.</summary>
    /// <param name="others">The processes at the other end.</param>
    /// <exception cref="SetupException">taskset is not there, or refused.</exception>
    private async Task ApplyAsync(params IEnumerable<int> others)
    {
        foreach ((var process, var processors) in others.Select(process => (process, There)).Append((Environment.ProcessId, Here)))
        {
            var error = "";
            var code = await ChildProcess.RunAsync(
                "taskset", ["--all-tasks", "--cpu-list", "--pid", processors, process.ToString(CultureInfo.InvariantCulture)], new() { Error = line => error = line });
            if (code != 0)
            {
                throw new SetupException($"taskset could not bind process {process} to {processors}: {error}");
            }
        }
    }

    // "0-3,8" means 0, 1, 2, 3, 8.
    private static string[] Numbers() =>
    [
        .. Allowed.Split(',').SelectMany(range =>
        {
            int[] ends = [.. range.Split('-').Select(end => int.Parse(end, CultureInfo.InvariantCulture))];
            return Enumerable.Range(ends[0], ends[^1] - ends[0] + 1);
        }).Select(number => number.ToString(CultureInfo.InvariantCulture)),
    ];
}
