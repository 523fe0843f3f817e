using VirtioUser.Vm;

namespace Runner;

/// <summary>Where the solution is built to: next to this program, in the SDK's artifacts layout.</summary>
static class BuildOutput
{
    static readonly DirectoryInfo Here = new(AppContext.BaseDirectory.TrimEnd('/')); // …/bin/Runner/release

    /// <summary>The built program of a project.</summary>
    public static string ProgramOf(string project) => Path.Combine(Here.Parent!.Parent!.FullName, project, Here.Name, project + ".dll");

    /// <summary>Builds the whole solution and reports that as one test, so that a warning is a failure with a name.</summary>
    public static async Task<bool> BuildAsync(Action<Outcome> report, CancellationToken cancellationToken)
    {
        List<string> said = [];
        int code = await ChildProcess.RunAsync(
            "dotnet",
            [
                "build", "VirtioUser.slnx", "--configuration", Here.Name, "--artifacts-path", Here.Parent!.Parent!.Parent!.FullName,
                "--nologo", "--verbosity", "quiet", "-nodeReuse:false",
            ],
            new() { Output = said.Add, WorkingFolder = ProjectFolders.Root }, cancellationToken);
        report(code == 0
            ? new Outcome("the solution builds without a warning", Verdict.Passed)
            : new Outcome("the solution builds without a warning", Verdict.Failed, string.Join('\n', said.Distinct())));
        return code == 0;
    }
}
