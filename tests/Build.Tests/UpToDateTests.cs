// When ./demo, ./test and ./bench build, and when they do not.
namespace Build.Tests;

public sealed class UpToDateTests : IDisposable
{
    // Long before anything was built.
    private static readonly DateTime Past = new(2001, 2, 3, 4, 5, 6, DateTimeKind.Utc);

    private readonly ScratchProject _project = new();

    public static TheoryData<string> Changes => [.. ChangesByName.Keys];

    public static TheoryData<string> NoChanges => [.. NoChangesByName.Keys];

    private static readonly Dictionary<string, Action<ScratchProject>> ChangesByName = new()
    {
        ["a source is edited"] = project => project.Write("app/Program.cs", "other"),
        ["a source is edited, and neither size nor time tell"] = project =>
        {
            var time = File.GetLastWriteTimeUtc(project.PathOf("app/Program.cs"));
            project.Write("app/Program.cs", "FIRST");
            File.SetLastWriteTimeUtc(project.PathOf("app/Program.cs"), time);
        },
        ["a source is replaced by an older one"] = project => Backdate(project, "app/Program.cs"),
        ["a source is added"] = project => project.Write("app/More.cs", ""),
        ["a source is added in a new folder"] = project => project.Write("other/More.cs", ""),
        ["a source is deleted"] = project => File.Delete(project.PathOf("app/Program.cs")),
        ["a source is renamed"] = project => File.Move(project.PathOf("app/Old name.cs"), project.PathOf("app/New name.cs")),
        ["two sources change places"] = project =>
        {
            File.Move(project.PathOf("app/Program.cs"), project.PathBeside("kept"));
            File.Move(project.PathOf("app/Old name.cs"), project.PathOf("app/Program.cs"));
            File.Move(project.PathBeside("kept"), project.PathOf("app/Old name.cs"));
        },
        ["the project is edited"] = project => project.Write("app/App.csproj", "<Project></Project>"),
        ["properties of all projects are edited"] = project => project.Write("Directory.Build.props", "<Project></Project>"),
        ["packages are locked otherwise"] = project => project.Write("app/packages.lock.json", "{}"),
        ["a file of a kind that nobody knows is added"] = project => project.Write("app/data.unknown", ""),
        ["the script that builds is edited"] = project => File.AppendAllText(project.PathOf("build/build.sh"), "# more\n"),
        ["another SDK is installed"] = project => Directory.CreateDirectory(project.PathBeside("dotnet/sdk/10.0.101")),
        ["the SDK is replaced"] = project => Directory.Move(project.PathBeside("dotnet/sdk/10.0.100"), project.PathBeside("dotnet/sdk/10.0.200")),
        ["another runtime is installed"] = project => Directory.CreateDirectory(project.PathBeside("dotnet/shared/Microsoft.NETCore.App/10.0.2")),
        ["what was built is deleted"] = project => File.Delete(project.PathOf("artifacts/bin/App/release/App.dll")),
        ["all that was built is deleted"] = project => Directory.Delete(project.PathOf("artifacts"), recursive: true),
        ["what was built is built by somebody else"] = project => project.Write("artifacts/bin/App/release/App.dll", "by hand"),
        ["what is remembered is cut off"] = project => project.Write("artifacts/build/app.state", File.ReadAllText(project.PathOf("artifacts/build/app.state"))[..100]),
    };

    private static readonly Dictionary<string, Action<ScratchProject>> NoChangesByName = new()
    {
        ["nothing"] = _ => { },
        ["the time of a source"] = project => File.SetLastWriteTimeUtc(project.PathOf("app/Program.cs"), DateTime.UtcNow),
        ["a source that is edited and edited back"] = project =>
        {
            project.Write("app/Program.cs", "other");
            project.Write("app/Program.cs", "first");
        },
        ["a document"] = project => project.Write("README.md", "other words"),
        ["C, which dotnet does not build"] = project => project.Write("driver/module.c", "more C"),
        ["a folder of a tool"] = project => project.Write("app/.vs/state.json", "{}"),
        ["what an editor builds"] = project => project.Write("app/obj/project.assets.json", "{}"),
        ["a file that a program writes where it was built"] = project => project.Write("artifacts/bin/App/release/written.log", ""),
        ["results of the benchmarks"] = project => project.Write("benchmarks/results/latest.json", "[]"),
    };

    [Theory]
    [MemberData(nameof(Changes))]
    public async Task It_builds_when(string changed)
    {
        Assert.NotNull((await _project.BuildAsync()).Call);

        ChangesByName[changed](_project);

        Assert.NotNull((await _project.BuildAsync()).Call);
        Assert.Null((await _project.BuildAsync()).Call);
    }

    [Theory]
    [MemberData(nameof(NoChanges))]
    public async Task It_does_not_build_for(string changed)
    {
        await _project.BuildAsync();

        NoChangesByName[changed](_project);

        Assert.Equal((0, "", null), await _project.BuildAsync());
    }

    [Fact]
    public async Task It_builds_again_what_changed_while_it_was_built()
    {
        _project.Meanwhile("echo other >app/Program.cs");
        await _project.BuildAsync();

        Assert.NotNull((await _project.BuildAsync()).Call);
        Assert.Null((await _project.BuildAsync()).Call);
    }

    [Fact]
    public async Task A_build_that_fails_shows_its_errors_and_is_tried_again()
    {
        _project.Meanwhile("echo 'Program.cs(1,2): error CS0001: first'; echo 'Program.cs(3,4): error CS0002: second'; exit 1");

        var (code, said, _) = await _project.BuildAsync();

        Assert.NotEqual(0, code);
        Assert.Contains("Program.cs(1,2): error CS0001: first\nProgram.cs(3,4): error CS0002: second\n", said, StringComparison.Ordinal);
        _project.Meanwhile("");
        Assert.NotNull((await _project.BuildAsync()).Call);
    }

    [Fact]
    public async Task What_was_built_before_a_failure_is_not_taken_for_what_failed()
    {
        await _project.BuildAsync();
        _project.Write("app/Program.cs", "broken");
        _project.Meanwhile("exit 1");
        await _project.BuildAsync();
        _project.Meanwhile("");

        _project.Write("app/Program.cs", "first");

        Assert.NotNull((await _project.BuildAsync()).Call);
    }

    [Fact]
    public async Task MSBuild_may_trust_times_after_an_edit()
    {
        await _project.BuildAsync();
        _project.Write("app/Program.cs", "other");

        Assert.DoesNotContain("--no-incremental", (await _project.BuildAsync()).Call, StringComparison.Ordinal);
    }

    [Fact]
    public async Task MSBuild_may_not_trust_times_after_an_older_file_came()
    {
        await _project.BuildAsync();
        Backdate(_project, "app/Program.cs");

        Assert.Contains("--no-incremental", (await _project.BuildAsync()).Call, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_says_what_it_builds()
    {
        var (_, said, _) = await _project.BuildAsync();

        Assert.Contains("Building app: 1 projects", said, StringComparison.Ordinal);
    }

    public void Dispose() => _project.Dispose();

    private static void Backdate(ScratchProject project, string file)
    {
        project.Write(file, "from the past");
        File.SetLastWriteTimeUtc(project.PathOf(file), Past);
    }
}
