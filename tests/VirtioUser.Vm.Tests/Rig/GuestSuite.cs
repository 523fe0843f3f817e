// The guest's test program, run once in a VM.
using System.Diagnostics;
using System.Text.Json;

namespace VirtioUser.Vm.Tests;

/// <summary>Boots a VM, runs the guest's whole test program in it, and keeps what became of each test.</summary>
public sealed class GuestSuite : IAsyncLifetime
{
    readonly Dictionary<string, string> failures = [];
    readonly HashSet<string> passed = [];
    readonly Dictionary<string, string> names = [];
    VmRig? rig;

    /// <summary>The VM in which it ran.</summary>
    public VmRig Rig => rig!;

    /// <summary>The whole output of a run that did not get to its end; empty otherwise.</summary>
    public string Broken { get; private set; } = "";

    /// <summary>The names of all tests in the program, asked of it on the host.</summary>
    public static IEnumerable<string> Names()
    {
        string program = BuildOutput.PathOf("VirtioUser.Guest.Tests", "VirtioUser.Guest.Tests.dll");
        using Process process = Process.Start(new ProcessStartInfo("dotnet", [program, "-list", "tests/json"]) { RedirectStandardOutput = true })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return JsonSerializer.Deserialize<string[]>(output[output.IndexOf('[')..(output.LastIndexOf(']') + 1)])!;
    }

    /// <summary>Fails with the guest's words if a test did not pass there, or one of a theory's cases did not.</summary>
    public void AssertPassed(string name)
    {
        bool IsCase(string ran) => ran == name || ran.StartsWith(name + "(", StringComparison.Ordinal);

        string failed = string.Join('\n', failures.Where(failure => IsCase(failure.Key)).Select(failure => $"{failure.Key}: {failure.Value}"));
        Assert.True(failed.Length == 0, failed);
        Assert.True(passed.Any(IsCase), $"The test did not come to its end in the guest. {Broken}");
    }

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        rig = await VmRig.StartAsync();
        List<string> otherLines = [];
        GuestCommandResult result = await rig.Machine.RunAsync(
            ["dotnet", $"{VmRig.TestsInGuest}/VirtioUser.Guest.Tests.dll", "-noLogo", "-noColor", "-reporter", "json"],
            line =>
            {
                if (!line.StartsWith('{') || !Follow(JsonDocument.Parse(line).RootElement))
                {
                    otherLines.Add(line);
                }
            });
        if (passed.Count + failures.Count == 0 || (result.ExitCode != 0 && failures.Count == 0))
        {
            Broken = $"The test program ended with {result.ExitCode}:\n{string.Join('\n', otherLines.TakeLast(20))}\n{result.Error}\n{rig.Daemon.LogTail}";
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (rig is not null)
        {
            await rig.DisposeAsync();
        }
    }

    // Messages of xunit's "json" reporter.
    bool Follow(JsonElement message)
    {
        switch (message.GetProperty("$type").GetString())
        {
            case "test-starting":
                names[Id(message)] = message.GetProperty("TestDisplayName").GetString()!;
                return true;
            case "test-passed":
                passed.Add(names[Id(message)]);
                return true;
            case "test-failed":
                failures[names[Id(message)]] = string.Join('\n', Texts(message, "Messages").Concat(Texts(message, "StackTraces")));
                return true;
            case "test-skipped":
                failures[names[Id(message)]] = "skipped in the guest: " + message.GetProperty("Reason").GetString();
                return true;
            default:
                return true;
        }
    }

    static string Id(JsonElement message) => message.GetProperty("TestUniqueID").GetString()!;

    static IEnumerable<string?> Texts(JsonElement message, string property) => message.GetProperty(property).EnumerateArray().Select(text => text.GetString());
}
