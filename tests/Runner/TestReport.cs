using System.Text.Json;

namespace Runner;

/// <summary>
/// Follows an xunit test program message by message (its "json" reporter), so that what had passed, and what was
/// running, is known also of a program that crashes or hangs. For one thread at a time.
/// </summary>
/// <param name="project">The test program's name, for what belongs to no test.</param>
/// <param name="report">Gets the outcome of each test as it ends, and errors outside of any test as failures.</param>
/// <param name="busyWith">Gets the name of each test as it starts.</param>
internal sealed class TestReport(string project, Action<Outcome> report, Action<string> busyWith)
{
    private readonly Dictionary<string, string> _running = [];

    /// <summary>What makes a program write such messages.</summary>
    public static IReadOnlyList<string> Arguments { get; } = ["-noLogo", "-noColor", "-reporter", "json"];

    /// <summary>The tests that have started and not ended.</summary>
    public IReadOnlyCollection<string> Running => _running.Values;

    /// <summary>How many tests have ended.</summary>
    public int Ended { get; private set; }

    /// <summary>How many of these failed.</summary>
    public int Failed { get; private set; }

    /// <summary>How many errors were outside of any test: of a fixture, of a collection's cleanup, of the program itself.</summary>
    public int Errors { get; private set; }

    /// <summary>Takes a line of the program's output.</summary>
    /// <returns>False if it is not one of the reporter's messages.</returns>
    public bool TryFollow(string line)
    {
        ArgumentNullException.ThrowIfNull(line);
        if (!line.StartsWith("{\"$type\":", StringComparison.Ordinal))
        {
            return false;
        }

        using var document = JsonDocument.Parse(line);
        OnMessage(document.RootElement);
        return true;
    }

    private void OnMessage(JsonElement message)
    {
        var type = message.GetProperty("$type").GetString()!;
        switch (type)
        {
            case "test-starting":
                var name = message.GetProperty("TestDisplayName").GetString()!;
                _running[Id(message)] = name;
                busyWith(name);
                break;
            case "test-passed":
                End(message, Verdict.Passed, "");
                break;
            case "test-failed":
                End(message, Verdict.Failed, Describe(message));
                break;
            case "test-skipped":
                End(message, Verdict.Skipped, message.GetProperty("Reason").GetString() ?? "no reason given");
                break;
            case "test-not-run":
                _running.Remove(Id(message));
                break;
            default:
                if (type == "error" || type.EndsWith("-failure", StringComparison.Ordinal))
                {
                    Errors++;
                    report(new Outcome($"{project}: {type}", Verdict.Failed, Describe(message)));
                }

                break;
        }
    }

    private void End(JsonElement message, Verdict verdict, string text)
    {
        _running.Remove(Id(message), out var name);
        Ended++;
        Failed += verdict == Verdict.Failed ? 1 : 0;
        report(new Outcome(name ?? project, verdict, text));
    }

    private static string Id(JsonElement message) => message.GetProperty("TestUniqueID").GetString()!;

    private static string Describe(JsonElement message)
    {
        var parts = Texts(message, "Messages").Concat(Texts(message, "StackTraces"));
        if (message.TryGetProperty("Output", out var output) && output.GetString() is { Length: > 0 } text)
        {
            parts = parts.Append("Output:\n" + text.TrimEnd());
        }

        return string.Join('\n', parts);
    }

    private static IEnumerable<string> Texts(JsonElement message, string property) =>
        message.TryGetProperty(property, out var texts)
            ? texts.EnumerateArray().Select(text => text.GetString()).OfType<string>().Where(text => text.Length > 0)
            : [];
}
