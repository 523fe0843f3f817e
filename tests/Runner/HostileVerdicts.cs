using VirtioUser.Vm;

namespace Runner;

/// <summary>The table of verdicts that the hostile cases leave behind.</summary>
internal static class HostileVerdicts
{
    /// <summary>Prints it, and the totals.</summary>
    public static async Task ShowAsync(Action<Outcome> report, Action<string> busyWith, CancellationToken cancellationToken)
    {
        var file = Path.Combine(ProjectFolders.Root, "artifacts", "hostile", "verdicts.md");
        if (!File.Exists(file))
        {
            report(new Outcome("the table of verdicts", Verdict.Failed, $"{file} was not written."));
            return;
        }

        await foreach (var line in File.ReadLinesAsync(file, cancellationToken))
        {
            if (!line.StartsWith("<!--", StringComparison.Ordinal))
            {
                Console.WriteLine(line);
            }
        }
    }
}
