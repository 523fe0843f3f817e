using VirtioUser.Vm;

namespace Runner;

/// <summary>Runs one xunit test program and reports each of its tests, whatever becomes of the program.</summary>
internal sealed class TestProgram
{
    // No test takes nearly as long; a program that does hangs.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(30);

    private const int LinesKept = 30;

    private readonly string _project;
    private readonly Action<Outcome> _report;
    private readonly Action<string> _busyWith;
    private readonly TestReport _progress;
    private readonly Queue<string> _lastOutput = new(); // without the reporter's messages
    private readonly List<string> _firstErrors = []; // a crash begins with its reason, and goes on with a long trace

    /// <param name="project">Its name.</param>
    /// <param name="report">Gets each outcome.</param>
    /// <param name="busyWith">Gets what goes on in between.</param>
    public TestProgram(string project, Action<Outcome> report, Action<string> busyWith)
    {
        (this._project, this._report, this._busyWith) = (project, report, busyWith);
        _progress = new TestReport(project, report, test => busyWith($"{project}: {test}"));
    }

    /// <summary>More arguments, for instance a choice of tests.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>Environment variables on top of this program's own.</summary>
    public IReadOnlyDictionary<string, string?> Environment { get; init; } = new Dictionary<string, string?>();

    /// <summary>Runs it to its end; a crash, a hang, an error outside of any test, and a program without tests are failures.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var program = BuildOutput.ProgramOf(_project);
        if (!File.Exists(program))
        {
            Fail($"{program} was not built.");
            return;
        }

        _busyWith(_project);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Patience);
        try
        {
            var code = await ChildProcess.RunAsync(
                "dotnet", [program, .. TestReport.Arguments, .. Arguments],
                new() { Output = OnLine, Error = OnErrorLine, Environment = Environment, WorkingFolder = ProjectFolders.Root }, limit.Token);
            if (_progress.Running.Count > 0 || (code != 0 && _progress.Failed + _progress.Errors == 0))
            {
                Fail($"The test program ended with exit code {code}{WhileRunning()}. It said:\n{Said()}");
            }
            else if (_progress.Ended == 0)
            {
                Fail("The test program ran no test.");
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            Fail($"The test program did not end within {Patience.TotalMinutes} minutes{WhileRunning()}. It said:\n{Said()}");
        }
    }

    private void Fail(string message) => _report(new Outcome(_project, Verdict.Failed, message));

    private string WhileRunning() => _progress.Running.Count == 0 ? "" : " while it ran " + string.Join(", ", _progress.Running);

    private string Said() => string.Join('\n', _lastOutput.Concat(_firstErrors));

    private void OnLine(string line)
    {
        if (!_progress.TryFollow(line))
        {
            _lastOutput.Enqueue(line);
            if (_lastOutput.Count > LinesKept)
            {
                _lastOutput.Dequeue();
            }
        }
    }

    private void OnErrorLine(string line)
    {
        if (_firstErrors.Count < LinesKept)
        {
            _firstErrors.Add(line);
        }
    }
}
