// The table of all verdicts, written when the last case has run.
using System.Globalization;
using System.Text;

[assembly: AssemblyFixture(typeof(VirtioUser.Hostile.Tests.Rig.Report))]

namespace VirtioUser.Hostile.Tests.Rig;

/// <summary>Collects verdicts, and writes them to artifacts/hostile/verdicts.md.</summary>
public sealed class Report : IDisposable
{
    private static readonly Lock Lock = new();
    private static readonly Dictionary<string, (HostileCase Case, Outcome Outcome)> Outcomes = [];

    /// <summary>The file, under the repository's artifacts.</summary>
    public static string File => Path.Combine(BuildOutput.Artifacts, "hostile", "verdicts.md");

    internal static void Add(HostileCase it, Outcome outcome)
    {
        lock (Lock)
        {
            Outcomes[it.Name] = (it, outcome);
        }
    }

    /// <summary>The seed of a case: from its name and VIRTIO_USER_HOSTILE_SEED.</summary>
    internal static int SeedOf(HostileCase it)
    {
        var seed = 2166136261u ^ (uint.TryParse(Environment.GetEnvironmentVariable("VIRTIO_USER_HOSTILE_SEED"), out var given) ? given : 0);
        foreach (var letter in it.Name)
        {
            seed = (seed ^ letter) * 16777619;
        }

        return (int)(seed & int.MaxValue);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        var text = new StringBuilder("| case | violates | verdict |\n|---|---|---|\n");
        lock (Lock)
        {
            foreach (var (it, outcome) in Outcomes.Values.OrderBy(each => each.Case.Name, StringComparer.Ordinal))
            {
                var right = outcome.Verdict == it.Expected && outcome.Harm.Count == 0;
                var verdict = right ? Words(outcome.Verdict) : $"**{Words(outcome.Verdict)}**, not {Words(it.Expected)}: {string.Join(' ', outcome.Harm).ReplaceLineEndings(" ")}";
                text.Append(CultureInfo.InvariantCulture, $"| {it.Name} | {it.Violates} | {verdict} |\n");
            }

            text.Append(CultureInfo.InvariantCulture, $"\n{Outcomes.Count} cases: ");
            text.AppendJoin(", ", Enum.GetValues<Verdict>().Select(verdict => $"{Outcomes.Values.Count(each => each.Outcome.Verdict == verdict)} {Words(verdict)}"));
            text.Append(CultureInfo.InvariantCulture, $"; {Outcomes.Values.Count(each => each.Outcome.Verdict != each.Case.Expected || each.Outcome.Harm.Count > 0)} not as they should be.\n");
            foreach (var (it, outcome) in Outcomes.Values.OrderByDescending(each => each.Outcome.Took).Take(10))
            {
                text.Append(CultureInfo.InvariantCulture, $"<!-- {outcome.Took.TotalSeconds:F1} s: {it.Name} ({outcome.Phases}) -->\n");
            }
        }

        Directory.CreateDirectory(Path.GetDirectoryName(File)!);
        System.IO.File.WriteAllText(File, text.ToString());
    }

    internal static string Words(Verdict verdict) => verdict == Verdict.ConnectionEnded ? "connection ended" : verdict.ToString().ToLowerInvariant();
}
