using System.Text.Json;
using VirtioUser.Vm;

namespace Runner;

/// <summary>
/// Runs one xunit test program and follows it message by message (its "json" reporter), so that what had passed, and
/// what was running, is known also of a program that crashes or hangs.
/// </summary>
sealed class TestProgram(string project, Action<Outcome> report, Action<string> busyWith)
{
    // No test takes nearly as long; a program that does hangs.
    static readonly TimeSpan Patience = TimeSpan.FromMinutes(30);

    const int LinesKept = 30;

    readonly Dictionary<string, string> running = [];
    readonly Queue<string> lastOutput = new(); // without the reporter's messages
    readonly List<string> firstErrors = []; // a crash begins with its reason, and goes on with a long trace
    int ended;
    int failed;

    /// <summary>Runs it to its end; a crash, a hang, an error outside of any test, and a program without tests are failures.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        string program = BuildOutput.ProgramOf(project);
        if (!File.Exists(program))
        {
            Fail(project, $"{program} was not built: the project must be in VirtioUser.slnx.");
            return;
        }

        busyWith(project);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Patience);
        try
        {
            int code = await ChildProcess.RunAsync(
                "dotnet", [program, "-noLogo", "-noColor", "-reporter", "json"],
                new() { Output = OnLine, Error = OnErrorLine, WorkingFolder = ProjectFolders.Root }, limit.Token);
            if (running.Count > 0 || (code != 0 && failed == 0))
            {
                Fail(project, $"The test program ended with exit code {code}{WhileRunning()}. It said:\n{string.Join('\n', lastOutput.Concat(firstErrors))}");
            }
            else if (ended == 0)
            {
                Fail(project, "The test program ran no test.");
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            Fail(project, $"The test program did not end within {Patience.TotalMinutes} minutes{WhileRunning()}. It said:\n{string.Join('\n', lastOutput.Concat(firstErrors))}");
        }
    }

    string WhileRunning() => running.Count == 0 ? "" : " while it ran " + string.Join(", ", running.Values);

    void OnLine(string line)
    {
        if (!line.StartsWith("{\"$type\":", StringComparison.Ordinal))
        {
            KeepLine(line);
            return;
        }

        using JsonDocument document = JsonDocument.Parse(line);
        OnMessage(document.RootElement);
    }

    void OnMessage(JsonElement message)
    {
        string type = message.GetProperty("$type").GetString()!;
        switch (type)
        {
            case "test-starting":
                string name = message.GetProperty("TestDisplayName").GetString()!;
                running[Id(message)] = name;
                busyWith($"{project}: {name}");
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
                running.Remove(Id(message));
                break;
            default:
                // Errors outside of any test: a fixture, a collection's cleanup, the program itself.
                if (type == "error" || type.EndsWith("-failure", StringComparison.Ordinal))
                {
                    Fail($"{project}: {type}", Describe(message));
                }

                break;
        }
    }

    void End(JsonElement message, Verdict verdict, string text)
    {
        running.Remove(Id(message), out string? name);
        ended++;
        failed += verdict == Verdict.Failed ? 1 : 0;
        report(new Outcome(name ?? project, verdict, text));
    }

    void Fail(string test, string message)
    {
        failed++;
        report(new Outcome(test, Verdict.Failed, message));
    }

    static string Id(JsonElement message) => message.GetProperty("TestUniqueID").GetString()!;

    static string Describe(JsonElement message)
    {
        IEnumerable<string> parts = Texts(message, "Messages").Concat(Texts(message, "StackTraces"));
        if (message.TryGetProperty("Output", out JsonElement output) && output.GetString() is { Length: > 0 } text)
        {
            parts = parts.Append("Output:\n" + text.TrimEnd());
        }

        return string.Join('\n', parts);
    }

    static IEnumerable<string> Texts(JsonElement message, string property) =>
        message.TryGetProperty(property, out JsonElement texts)
            ? texts.EnumerateArray().Select(text => text.GetString()).OfType<string>().Where(text => text.Length > 0)
            : [];

    void KeepLine(string line)
    {
        lastOutput.Enqueue(line);
        if (lastOutput.Count > LinesKept)
        {
            lastOutput.Dequeue();
        }
    }

    void OnErrorLine(string line)
    {
        if (firstErrors.Count < LinesKept)
        {
            firstErrors.Add(line);
        }
    }
}
