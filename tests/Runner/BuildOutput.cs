using VirtioUser.Vm;

namespace Runner;

/// <summary>Where the project is built to: next to this program, in the SDK's artifacts layout.</summary>
internal static class BuildOutput
{
    private static readonly DirectoryInfo Here = new(AppContext.BaseDirectory.TrimEnd('/')); // …/bin/Runner/release

    /// <summary>The built program of a project.</summary>
    public static string ProgramOf(string project) => Path.Combine(Here.Parent!.Parent!.FullName, project, Here.Name, project + ".dll");

    /// <summary>
    /// Builds what the groups need, or everything if they are all, unless it is up to date, and reports that as one test, so that a
    /// warning is a failure with a name.
    /// </summary>
    /// <param name="groups">The groups; all of them if everything is to be built.</param>
    /// <param name="everything">Whether to build the solution, also what no group asks for.</param>
    /// <param name="report">Gets the outcome.</param>
    /// <param name="busyWith">Gets how far the build is.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    /// <returns>Whether it was built.</returns>
    public static async Task<bool> BuildAsync(
        IReadOnlyList<ITestGroup> groups, bool everything, Action<Outcome> report, Action<string> busyWith, CancellationToken cancellationToken)
    {
        string[] projects = everything ? ["VirtioUser.slnx"] : [.. groups.SelectMany(group => group.Projects).Distinct().Order(StringComparer.Ordinal).Select(TestProjects.FileOf)];
        if (projects.Length == 0)
        {
            report(new Outcome("these groups need no build", Verdict.Passed));
            return true;
        }

        var name = everything ? "tests" : "tests-" + string.Join('-', groups.Where(group => group.Projects.Any()).Select(group => group.Name));
        var test = everything ? "the solution builds without a warning" : "what the groups need builds without a warning";
        List<string> said = [];
        var code = await ChildProcess.RunAsync(
            "bash", ["build/build.sh", name, .. projects],
            new()
            {
                Error = line =>
                {
                    said.Add(line);
                    busyWith(line);
                },
                WorkingFolder = ProjectFolders.Root,
            },
            cancellationToken);
        report(code == 0 ? new Outcome(test, Verdict.Passed) : new Outcome(test, Verdict.Failed, string.Join('\n', said.Where(line => !line.StartsWith('[')).Distinct())));
        return code == 0;
    }
}
