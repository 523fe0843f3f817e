// A run from preparation to results.
using System.Diagnostics;
using Spectre.Console;
using VirtioUser.Benchmarks.Groups;
using VirtioUser.Benchmarks.Reporting;
using VirtioUser.Vm;

namespace VirtioUser.Benchmarks;

/// <summary>Runs groups one after the other; shows and writes the results of each as soon as they are there.</summary>
/// <param name="console">Where people look.</param>
/// <param name="folder">Where results go.</param>
/// <param name="quick">Whether it is to be over soon.</param>
internal sealed class BenchmarkRun(IAnsiConsole console, string folder, bool quick)
{
    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private readonly Machine _machine = Machine.Describe();
    private int _goals, _reached;

    /// <summary>Runs groups.</summary>
    /// <param name="groups">Which.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    /// <returns>0 if all groups could be measured, whatever came of it; otherwise 1.</returns>
    /// <exception cref="SetupException">Something is missing or not permitted.</exception>
    public async Task<int> RunAsync(IReadOnlyList<BenchmarkGroup> groups, CancellationToken cancellationToken)
    {
        ResultFile results = new(Path.Combine(folder, "latest.json"), _machine, quick);
        console.MarkupLineInterpolated(
            $"{_machine.Processor}, {_machine.Cores} cores{(_machine.Virtualized ? ", itself a VM" : "")}; Linux {_machine.Kernel}, {_machine.Runtime}; the benchmarks' VM runs by {_machine.Guest}, -cpu {_machine.GuestProcessor}");
        ProgressLine progress = new(console);
        List<LeftOut> leftOut = [];
        RunContext context = new(quick, progress.Show, leftOut.Add);
        var failed = 0;
        foreach (var group in groups)
        {
            IReadOnlyList<Figure> figures = [];
            leftOut.Clear();
            try
            {
                figures = await group.RunAsync(context, cancellationToken);
                progress.Clear();
                Show(group, figures);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                failed++;
                progress.Clear();
                console.MarkupLineInterpolated($"[red]Group {group.Number}, {group.Title}, could not be measured:[/] {e}");
            }

            foreach (var left in leftOut)
            {
                console.MarkupLineInterpolated($"[yellow]Left out: {left.Name}.[/] {left.Reason}");
            }

            results.Replace(group.Number, figures, leftOut);
        }

        console.MarkupLineInterpolated(
            $"{_reached} of {_goals} goals reached, {failed} groups failed, {ConsoleProgress.Seconds(_watch.Elapsed)}; results are in {folder}");
        return failed == 0 ? 0 : 1;
    }

    private void Show(BenchmarkGroup group, IReadOnlyList<Figure> figures)
    {
        console.MarkupLineInterpolated($"[bold]{group.Number}. {group.Title}[/]");
        console.Write(ResultTable.Of(figures));
        _goals += figures.Count(figure => figure.Goal is not null);
        _reached += figures.Count(figure => figure.Holds == true);
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, group.ChartName), Chart.Draw($"{group.Number}. {group.Title}", figures));
    }
}
