using VirtioUser.Vm;

namespace Runner;

/// <summary>Runs one xunit test program and reports each of its tests, whatever becomes of the program.</summary>
sealed class TestProgram
{
    // No test takes nearly as long; a program that does hangs.
    static readonly TimeSpan Patience = TimeSpan.FromMinutes(30);

    const int LinesKept = 30;

    readonly string project;
    readonly Action<Outcome> report;
    readonly Action<string> busyWith;
    readonly TestReport progress;
    readonly Queue<string> lastOutput = new(); // without the reporter's messages
    readonly List<string> firstErrors = []; // a crash begins with its reason, and goes on with a long trace

    /// <param name="project">Its name.</param>
    /// <param name="report">Gets each outcome.</param>
    /// <param name="busyWith">Gets what goes on in between.</param>
    public TestProgram(string project, Action<Outcome> report, Action<string> busyWith)
    {
        (this.project, this.report, this.busyWith) = (project, report, busyWith);
        progress = new TestReport(project, report, test => busyWith($"{project}: {test}"));
    }

    /// <summary>More arguments, for instance a choice of tests.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>Environment variables on top of this program's own.</summary>
    public IReadOnlyDictionary<string, string?> Environment { get; init; } = new Dictionary<string, string?>();

    /// <summary>Runs it to its end; a crash, a hang, an error outside of any test, and a program without tests are failures.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        string program = BuildOutput.ProgramOf(project);
        if (!File.Exists(program))
        {
            Fail($"{program} was not built.");
            return;
        }

        busyWith(project);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Patience);
        try
        {
            int code = await ChildProcess.RunAsync(
                "dotnet", [program, .. TestReport.Arguments, .. Arguments],
                new() { Output = OnLine, Error = OnErrorLine, Environment = Environment, WorkingFolder = ProjectFolders.Root }, limit.Token);
            if (progress.Running.Count > 0 || (code != 0 && progress.Failed + progress.Errors == 0))
            {
                Fail($"The test program ended with exit code {code}{WhileRunning()}. It said:\n{Said()}");
            }
            else if (progress.Ended == 0)
            {
                Fail("The test program ran no test.");
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            Fail($"The test program did not end within {Patience.TotalMinutes} minutes{WhileRunning()}. It said:\n{Said()}");
        }
    }

    void Fail(string message) => report(new Outcome(project, Verdict.Failed, message));

    string WhileRunning() => progress.Running.Count == 0 ? "" : " while it ran " + string.Join(", ", progress.Running);

    string Said() => string.Join('\n', lastOutput.Concat(firstErrors));

    void OnLine(string line)
    {
        if (!progress.TryFollow(line))
        {
            lastOutput.Enqueue(line);
            if (lastOutput.Count > LinesKept)
            {
                lastOutput.Dequeue();
            }
        }
    }

    void OnErrorLine(string line)
    {
        if (firstErrors.Count < LinesKept)
        {
            firstErrors.Add(line);
        }
    }
}
