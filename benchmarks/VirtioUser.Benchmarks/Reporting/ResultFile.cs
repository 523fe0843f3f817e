// The results for programs.
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace VirtioUser.Benchmarks.Reporting;

/// <summary>latest.json: a list of objects, one for each figure; benchmarks/README.md tells their members.</summary>
/// <param name="path">The file.</param>
/// <param name="machine">Where the figures come from.</param>
/// <param name="quick">Whether the run was a quick one.</param>
internal sealed class ResultFile(string path, Machine machine, bool quick)
{
    private static readonly JsonSerializerOptions Format = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, // it is not put into a web page, and "<=" is easier to read
    };

    private readonly string _time = DateTime.UtcNow.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);

    /// <summary>Replaces the figures of a group; those of other groups stay.</summary>
    /// <param name="group">The group's number.</param>
    /// <param name="figures">Its figures; none for a group that could not be run.</param>
    /// <param name="leftOut">What it did without.</param>
    public void Replace(int group, IEnumerable<Figure> figures, IEnumerable<LeftOut> leftOut)
    {
        IEnumerable<JsonNode?> others = File.Exists(path) ? JsonNode.Parse(File.ReadAllText(path))!.AsArray() : [];
        JsonNode[] all =
        [
            .. others.Where(entry => (int)entry!["group"]! != group).Select(entry => entry!.DeepClone()).Concat(figures.Select(figure => Describe(group, figure)))
                .Concat(leftOut.Select(left => Describe(group, left)))
                .OrderBy(entry => (int)entry["group"]!),
        ];
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        File.WriteAllText(path, new JsonArray(all).ToJsonString(Format) + '\n');
    }

    private JsonObject Describe(int group, Figure figure) => new()
    {
        ["group"] = group,
        ["name"] = figure.Against is null ? figure.Name : $"{figure.Name}, against {figure.Against}",
        ["unit"] = figure.Unit.Name,
        ["ours"] = Rounded(figure.Ours),
        [figure.IsFloor ? "floor" : "peer"] = Rounded(figure.Other),
        ["against"] = figure.Against,
        ["ratio"] = Rounded(figure.Ratio),
        ["goal"] = figure.Goal?.ToString(),
        ["holds"] = figure.Holds,
        ["oursDetails"] = Describe(figure.OursDetails),
        ["otherDetails"] = Describe(figure.OtherDetails),
        ["quick"] = quick,
        ["time"] = _time,
        ["machine"] = JsonSerializer.SerializeToNode(machine, Format),
    };

    private JsonObject Describe(int group, LeftOut left) => new()
    {
        ["group"] = group,
        ["name"] = left.Name,
        ["leftOut"] = left.Reason,
        ["quick"] = quick,
        ["time"] = _time,
        ["machine"] = JsonSerializer.SerializeToNode(machine, Format),
    };

    private static JsonObject? Describe(Details? details) => details is null ? null : new JsonObject
    {
        ["p50Nanoseconds"] = Rounded(details.P50),
        ["p99Nanoseconds"] = Rounded(details.P99),
        ["p999Nanoseconds"] = Rounded(details.P999),
        ["cpuNanoseconds"] = Rounded(details.Cpu),
        ["processors"] = Rounded(details.Processors),
    };

    // More digits than that are noise.
    private static double? Rounded(double? value) => value is { } number ? double.Parse(number.ToString("G5", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) : null;
}
