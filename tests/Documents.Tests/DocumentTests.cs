// What the documents quote and where they point.
using System.Text.RegularExpressions;
using VirtioUser.Vm;
using Xunit;

namespace Documents.Tests;

public sealed partial class DocumentTests
{
    private static readonly string[] Files = ["README.md", "CONTRIBUTING.md"], Folders = ["docs", "devices", "driver"];

    public static IEnumerable<TheoryDataRow<string>> Documents =>
        Files
            .Concat(Folders
                .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(ProjectFolders.Root, folder), "*.md", SearchOption.AllDirectories))
                .Select(file => Path.GetRelativePath(ProjectFolders.Root, file)))
            .Select(document => new TheoryDataRow<string>(document));

    [Theory]
    [InlineData("README.md", "docs/examples/Reverse/ReverseDevice.cs")]
    [InlineData("README.md", "docs/examples/ReverseGuest/Program.cs")]
    [InlineData("docs/write-a-device.md", "docs/examples/Reverse/Reverse.csproj")]
    [InlineData("docs/write-a-device.md", "docs/examples/ReverseGuest/ReverseGuest.csproj")]
    [InlineData("docs/write-a-device.md", "docs/examples/Clock/ClockDevice.cs")]
    [InlineData("docs/write-a-device.md", "docs/examples/Mailbox/MailboxDevice.cs")]
    [InlineData("docs/write-a-device.md", "docs/examples/ReverseC/reverse.c")]
    [InlineData("docs/write-a-device.md", "docs/examples/DelayC/delay.c")]
    public void The_code_in_a_document_is_the_code_that_is_built(string document, string code) =>
        Assert.Contains(Read(code).Trim(), Read(document), StringComparison.Ordinal);

    [Fact]
    public void The_part_of_an_example_in_a_document_is_in_the_example_line_by_line()
    {
        var shown = CodeBlock().Matches(Read("docs/write-a-device.md")).Select(block => block.Groups[1].Value)
            .Single(block => block.Contains("_work = Task.Run", StringComparison.Ordinal));
        var lines = new Queue<string>(shown.Split('\n').Select(line => line.Trim()));
        foreach (var line in Read("docs/examples/Background/BackgroundDevice.cs").Split('\n').Select(line => line.Trim()))
        {
            if (lines.TryPeek(out var next) && next == line)
            {
                lines.Dequeue();
            }
        }

        Assert.True(lines.Count == 0, $"The example does not have, in this order: {(lines.TryPeek(out var missing) ? missing : "")}");
    }

    [Theory]
    [MemberData(nameof(Documents))]
    public void Every_link_to_a_file_leads_to_one(string document)
    {
        var folder = Path.GetDirectoryName(Path.Combine(ProjectFolders.Root, document))!;
        Assert.All(
            Link().Matches(Read(document)).Select(link => link.Groups[1].Value).Where(target => !target.Contains("://", StringComparison.Ordinal)),
            target => Assert.True(Path.Exists(Path.Combine(folder, target)), $"{document} points to {target}."));
    }

    [Fact]
    public void What_the_threat_model_promises_is_shown_by_tests_that_exist()
    {
        var cases = Read("docs/hostile-cases.md").Split('\n').Where(line => line.StartsWith("| ", StringComparison.Ordinal))
            .Select(line => line.Split(" | ")[0][2..]).ToHashSet();
        var tests = Directory.EnumerateFiles(Path.Combine(ProjectFolders.Root, "tests"), "*.cs", SearchOption.AllDirectories)
            .SelectMany(file => TestName().Matches(File.ReadAllText(file)).Select(name => name.Groups[1].Value)).ToHashSet();
        var rows = Read("docs/threat-model.md").Split('\n')
            .Where(line => line.StartsWith("| ", StringComparison.Ordinal) && !line.StartsWith("| promise |", StringComparison.Ordinal)).ToArray();
        Assert.NotEmpty(rows);
        Assert.All(rows, row =>
        {
            var shown = row.Split(" | ")[^1];
            var named = Shown().Matches(shown).ToArray();
            Assert.True(named.Length > 0, $"Nothing shows this: {row}");
            Assert.All(named, each => Assert.True(
                each.Groups[1].Success ? tests.Contains(each.Groups[1].Value) : cases.Contains(each.Groups[2].Value), $"There is no {each.Value}."));
        });
    }

    private static string Read(string file) => File.ReadAllText(Path.Combine(ProjectFolders.Root, file));

    [GeneratedRegex(@"```csharp\n(.*?)\n```", RegexOptions.Singleline)]
    private static partial Regex CodeBlock();

    // A test in backquotes, or a hostile case in quotation marks.
    [GeneratedRegex("`([A-Za-z0-9_]+)`|\"([^\"]+)\"")]
    private static partial Regex Shown();

    [GeneratedRegex(@"public\s+(?:async\s+)?(?:void|Task|ValueTask)\s+([A-Za-z0-9_]+)\s*\(")]
    private static partial Regex TestName();

    [GeneratedRegex(@"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")]
    private static partial Regex Link();
}
