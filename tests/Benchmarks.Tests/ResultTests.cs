// What a run of the benchmarks leaves behind.
using System.Text.Json.Nodes;
using System.Xml.Linq;
using VirtioUser.Vm;

namespace Benchmarks.Tests;

/// <summary>Runs the groups that take a few seconds and need nothing but the build.</summary>
public sealed class ResultTests
{
    private const int Group = 4;
    private const int Callbacks = 8;

    private static readonly string[] Members = ["group", "name", "unit", "ours", "ratio", "goal", "holds", "quick", "time", "machine"];

    [Fact]
    public async Task A_run_writes_a_whole_figure_for_each_line_and_a_chart()
    {
        using TemporaryFolder folder = new();
        var said = await RunAsync(0, "--quick", "--group", $"{Group}", "--output", folder.Path);

        var figures = Figures(folder);
        Assert.NotEmpty(figures);
        Assert.All(figures, figure =>
        {
            Assert.All(Members, member => Assert.True(figure.ContainsKey(member), $"{member} is missing in {figure}"));
            Assert.True(figure.ContainsKey("floor") != figure.ContainsKey("peer"), $"{figure} has not one of floor and peer");
            Assert.Equal(Group, (int)figure["group"]!);
            Assert.True((double)figure["ours"]! >= 0);
            Assert.Equal(figure["goal"] is null, figure["holds"] is null);
            Assert.Equal(["processor", "cores", "kernel", "runtime", "virtualized", "guest", "guestProcessor", "affinity"], figure["machine"]!.AsObject().Select(member => member.Key));
        });
        Assert.Equal(figures.Length, figures.Select(figure => (string)figure["name"]!).Distinct().Count());
        Assert.Equal("svg", XDocument.Load(Assert.Single(Directory.GetFiles(folder.Path, "*.svg"))).Root!.Name.LocalName);
        Assert.Contains("goals reached", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Callbacks_are_measured_with_the_processors_of_both_sides()
    {
        using TemporaryFolder folder = new();
        await RunAsync(0, "--quick", "--group", $"{Callbacks}", "--output", folder.Path);

        var figures = Figures(folder);
        foreach (var instances in (string[])["1 instance", "2 instances", "4 instances", "16 instances"])
        {
            Assert.Contains(figures, figure => Is(figure, "100 us", instances));
        }

        foreach (var length in (string[])["20 us", "100 us", "500 us", "900 us", "3 ms"])
        {
            Assert.Contains(figures, figure => Is(figure, length, "4 instances"));
        }

        Assert.All(figures, figure =>
        {
            Assert.Equal("CPUs", (string)figure["unit"]!);
            Assert.True((double)figure["ours"]! > 0, $"{figure} says that callbacks took no time");
            Assert.True((double)figure["oursDetails"]!["processors"]! >= 0);
            Assert.True((double)figure["otherDetails"]!["processors"]! > 0, $"{figure} says that clients took no time");
        });

        static bool Is(JsonObject figure, string length, string instances) =>
            ((string)figure["name"]!).Contains($", {length} each, {instances},", StringComparison.Ordinal);
    }

    [Fact]
    public async Task Figures_of_groups_that_were_not_run_stay()
    {
        using TemporaryFolder folder = new();
        await File.WriteAllTextAsync(
            Path.Combine(folder.Path, "latest.json"), $$"""[{"group": 1, "name": "kept"}, {"group": {{Group}}, "name": "replaced"}]""",
            TestContext.Current.CancellationToken);
        await RunAsync(0, "--quick", "--group", $"{Group}", "--output", folder.Path);

        string[] names = [.. Figures(folder).Select(figure => (string)figure["name"]!)];
        Assert.Contains("kept", names);
        Assert.DoesNotContain("replaced", names);
    }

    [Fact]
    public async Task A_group_that_there_is_not_is_refused()
    {
        using TemporaryFolder folder = new();
        var said = await RunAsync(1, "--group", "99", "--output", folder.Path);
        Assert.Contains("There is no group 99.", said, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(folder.Path));
    }

    private static JsonObject[] Figures(TemporaryFolder folder) =>
        [.. JsonNode.Parse(File.ReadAllText(Path.Combine(folder.Path, "latest.json")))!.AsArray().Select(figure => figure!.AsObject())];

    private static async Task<string> RunAsync(int exitCode, params string[] arguments)
    {
        List<string> said = [];
        var code = await ChildProcess.RunAsync(
            BuildOutput.PathOf("VirtioUser.Benchmarks", "VirtioUser.Benchmarks"), arguments, new() { Output = Keep, Error = Keep },
            TestContext.Current.CancellationToken);
        var text = string.Join('\n', said);
        Assert.True(code == exitCode, $"The exit code is {code} and not {exitCode}:\n{text}");
        return text;

        void Keep(string line)
        {
            lock (said)
            {
                said.Add(line);
            }
        }
    }

    private sealed class TemporaryFolder : IDisposable
    {
        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("virtio-user-bench-results-");

        public string Path => _folder.FullName;

        public void Dispose() => _folder.Delete(recursive: true);
    }
}
