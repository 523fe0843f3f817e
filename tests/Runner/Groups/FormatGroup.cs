using VirtioUser.Vm;

namespace Runner;

/// <summary>Every source file looks as its tool would write it.</summary>
internal sealed class FormatGroup : CheckingGroup
{
    // Folders in which no file is the project's own source.
    private static readonly string[] Ignored = [".git", ".cache", "artifacts", "bin", "obj"];

    public override string Name => "format";

    public override string Description => "dotnet format, clang-format, shellcheck";

    public override async Task RunAsync(Action<Outcome> report, Action<string> busyWith, CancellationToken cancellationToken)
    {
        await CheckAsync("C# is as dotnet format writes it", report, busyWith, hear => ChildProcess.RunAsync(
            "dotnet", ["format", "VirtioUser.slnx", "--verify-no-changes"],
            new() { Output = hear, Error = hear, WorkingFolder = ProjectFolders.Root }, cancellationToken));

        var checkers = await CheckerTree.PrepareAsync(Show(busyWith), cancellationToken);
        await CheckAsync("C is as clang-format writes it", report, busyWith, hear => checkers.RunAsync(
            new Dictionary<string, string> { ["driver"] = ProjectFolders.Driver }, ["make", "--directory=/mnt/driver", "checkformat"], hear, cancellationToken));
        await CheckAsync("shellcheck finds nothing in the shell scripts", report, busyWith, hear => checkers.RunAsync(
            new Dictionary<string, string> { ["project"] = ProjectFolders.Root },
            ["shellcheck", "--external-sources", "--source-path=SCRIPTDIR", .. ShellScripts(new DirectoryInfo(ProjectFolders.Root)).Select(script => "/mnt/project/" + Path.GetRelativePath(ProjectFolders.Root, script))],
            hear, cancellationToken));
    }

    private static IEnumerable<string> ShellScripts(DirectoryInfo folder) =>
        folder.EnumerateFiles().Where(IsShellScript).Select(file => file.FullName)
            .Concat(folder.EnumerateDirectories().Where(child => !Ignored.Contains(child.Name)).SelectMany(ShellScripts));

    // By its name, or for a program without an extension by its first line.
    private static bool IsShellScript(FileInfo file)
    {
        if (file.Extension.Length > 0)
        {
            return file.Extension == ".sh";
        }

        using var reader = file.OpenText();
        Span<char> start = stackalloc char[32];
        ReadOnlySpan<char> first = start[..reader.ReadBlock(start)];
        return first.StartsWith("#!") && (first.Contains("bash", StringComparison.Ordinal) || first.Contains("/sh", StringComparison.Ordinal));
    }
}
