using System.Diagnostics;
using Spectre.Console;
using VirtioUser.Vm;

namespace Runner;

/// <summary>One run of some groups: shows what happens while it happens, and sums up at the end.</summary>
internal sealed class TestSession(IAnsiConsole console)
{
    private readonly Table _summary = new Table().AddColumns("group", "passed", "failed", "skipped", "time");
    private readonly List<string> _failures = [];
    private int _passed, _failed, _skipped;

    // Output that goes to a file or a pipe is not to be wrapped at the width of a terminal that is not there.
    private const int WidthWithoutTerminal = 400;

    // Of one failure.
    private const int LinesShown = 80;

    // Of each failure, and of how many, once more at the end: of a long output often only the end is kept.
    private const int LinesAtTheEnd = 6, FailuresAtTheEnd = 30;

    /// <summary>Runs the groups one after the other and returns the exit code: 0 if something passed and nothing failed.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="build">Whether to build what they need first.</param>
    /// <param name="everything">Whether to build the whole solution.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    public async Task<int> RunAsync(IReadOnlyList<ITestGroup> groups, bool build, bool everything, CancellationToken cancellationToken)
    {
        if (!console.Profile.Out.IsTerminal)
        {
            console.Profile.Width = WidthWithoutTerminal;
        }

        var built = !build;
        if (build)
        {
            await RunGroupAsync("build", async (report, busyWith) =>
            {
                // Into a file or a pipe too: a build is not silent.
                void Say(string line)
                {
                    busyWith(line);
                    if (!console.Profile.Capabilities.Interactive)
                    {
                        console.WriteLine("  " + line);
                    }
                }

                built = await BuildOutput.BuildAsync(groups, everything, report, Say, cancellationToken);
            });
        }

        foreach (var group in built ? groups : [])
        {
            await RunGroupAsync(group.Name, (report, busyWith) => group.RunAsync(report, busyWith, cancellationToken));
        }

        console.Write(_summary);
        foreach (var failure in _failures.Take(FailuresAtTheEnd))
        {
            console.WriteLine(failure);
        }

        console.WriteLine(_skipped == 0 ? $"{_passed} passed, {_failed} failed" : $"{_passed} passed, {_failed} failed, {_skipped} skipped");
        return _failed == 0 && _passed > 0 ? 0 : 1;
    }

    private void WriteLines(string[] lines)
    {
        foreach (var line in lines.Take(LinesShown))
        {
            console.WriteLine("          " + line);
        }

        if (lines.Length > LinesShown)
        {
            console.WriteLine($"          … and {lines.Length - LinesShown} more lines");
        }
    }

    private async Task RunGroupAsync(string name, Func<Action<Outcome>, Action<string>, Task> run)
    {
        console.MarkupLineInterpolated($"[bold]{name}[/]");
        var watch = Stopwatch.StartNew();
        List<Outcome> outcomes = [];
        try
        {
            if (console.Profile.Capabilities.Interactive)
            {
                await console.Status().StartAsync(name, context => run(Report, text => context.Status(Markup.Escape(text))));
            }
            else
            {
                await run(Report, _ => { });
            }

            if (outcomes.Count == 0)
            {
                Report(new Outcome(name, Verdict.Failed, "The group ran no test."));
            }
        }
        catch (SetupException e)
        {
            Report(new Outcome(name, Verdict.Failed, e.Message));
        }

        var groupPassed = outcomes.Count(outcome => outcome.Verdict == Verdict.Passed);
        var groupFailed = outcomes.Count(outcome => outcome.Verdict == Verdict.Failed);
        var groupSkipped = outcomes.Count - groupPassed - groupFailed;
        (_passed, _failed, _skipped) = (_passed + groupPassed, _failed + groupFailed, _skipped + groupSkipped);
        _summary.AddRow(name, $"{groupPassed}", $"{groupFailed}", $"{groupSkipped}", ConsoleProgress.Seconds(watch.Elapsed));

        void Report(Outcome outcome)
        {
            outcomes.Add(outcome);
            switch (outcome.Verdict)
            {
                case Verdict.Failed:
                    console.MarkupLineInterpolated($"  [red]failed[/]  {outcome.Test}");
                    var lines = outcome.Message.ReplaceLineEndings("\n").Split('\n');
                    WriteLines(lines);
                    _failures.Add($"failed: {name}: {outcome.Test}\n    {string.Join("\n    ", lines.Take(LinesAtTheEnd))}");
                    break;
                case Verdict.Skipped:
                    console.MarkupLineInterpolated($"  [yellow]skipped[/] {outcome.Test}: {outcome.Message}");
                    break;
            }
        }
    }
}
