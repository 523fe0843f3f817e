using VirtioUser.Vm;

namespace Runner;

/// <summary>A group whose tests are programs that find nothing to complain about: exit code 0.</summary>
internal abstract class CheckingGroup : ITestGroup
{
    public abstract string Name { get; }

    public abstract string Description { get; }

    public IEnumerable<string> Projects => [];

    public abstract Task RunAsync(Action<Outcome> report, Action<string> busyWith, CancellationToken cancellationToken);

    /// <summary>Runs one check and reports it; <paramref name="run"/> gets what hears the program's lines and returns its exit code.</summary>
    protected static async Task CheckAsync(string test, Action<Outcome> report, Action<string> busyWith, Func<Action<string>, Task<int>> run)
    {
        busyWith(test);
        List<string> said = [];
        Lock gate = new();
        var code = await run(line =>
        {
            lock (gate)
            {
                said.Add(line);
            }
        });
        report(code == 0 ? new Outcome(test, Verdict.Passed) : new Outcome(test, Verdict.Failed, string.Join('\n', said)));
    }

    /// <summary>Shows a preparation as what the group is busy with.</summary>
    protected static IProgress<PreparationProgress> Show(Action<string> busyWith) => new Shown(busyWith);

    private sealed class Shown(Action<string> busyWith) : IProgress<PreparationProgress>
    {
        public void Report(PreparationProgress value) => busyWith(value.Detail.Length == 0 ? value.Step : $"{value.Step}: {value.Detail}");
    }
}
