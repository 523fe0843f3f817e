// What a group did without is part of its results.
using System.Text.Json.Nodes;
using VirtioUser.Benchmarks.Reporting;
using VirtioUser.Vm;

namespace Benchmarks.Tests;

public sealed class LeftOutTests
{
    [Fact]
    public void What_was_left_out_is_in_the_results_with_the_reason_in_one_line_until_the_group_is_run_again()
    {
        var folder = Directory.CreateTempSubdirectory("virtio-user-bench-results-");
        try
        {
            var path = Path.Combine(folder.FullName, "latest.json");
            ResultFile results = new(path, Machine.Describe(), quick: true);
            results.Replace(6, [], [LeftOut.Because("all figures against a vsock", new SetupException("There is no network.\nIt said:\nE: 404"))]);

            var entry = Assert.Single(Read(path))!;
            Assert.Equal(6, (int)entry["group"]!);
            Assert.Equal("all figures against a vsock", (string)entry["name"]!);
            Assert.Equal("There is no network.", (string)entry["leftOut"]!);
            Assert.NotNull(entry["time"]);
            Assert.NotNull(entry["machine"]);

            results.Replace(6, [], []);
            Assert.Empty(Read(path));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static JsonArray Read(string path) => JsonNode.Parse(File.ReadAllText(path))!.AsArray();
}
