// The guest's test program, run once in a VM.
using System.Diagnostics;
using System.Text.Json;
using Runner;

namespace VirtioUser.Vm.Tests;

/// <summary>Boots a VM, runs the guest's whole test program in it, and keeps what became of each test.</summary>
public sealed class GuestSuite : IAsyncLifetime
{
    private readonly List<Outcome> _outcomes = [];
    private VmRig? _rig;

    /// <summary>The VM in which it ran.</summary>
    public VmRig Rig => _rig!;

    /// <summary>The whole output of a run that did not get to its end; empty otherwise.</summary>
    public string Broken { get; private set; } = "";

    /// <summary>The names of all tests in the program, asked of it on the host.</summary>
    public static IEnumerable<string> Names()
    {
        var program = BuildOutput.PathOf("VirtioUser.Guest.Tests", "VirtioUser.Guest.Tests.dll");
        using var process = Process.Start(new ProcessStartInfo("dotnet", [program, "-list", "tests/json"]) { RedirectStandardOutput = true })!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return JsonSerializer.Deserialize<string[]>(output[output.IndexOf('[')..(output.LastIndexOf(']') + 1)])!;
    }

    /// <summary>Fails with the guest's words if a test did not pass there, or one of a theory's cases did not.</summary>
    public void AssertPassed(string name)
    {
        bool IsCase(string ran) => ran == name || ran.StartsWith(name + "(", StringComparison.Ordinal);

        var ran = _outcomes.FindAll(outcome => IsCase(outcome.Test));
        var wrong = string.Join('\n', ran.Where(outcome => outcome.Verdict != Verdict.Passed).Select(outcome => $"{outcome.Test}: {outcome.Verdict} in the guest: {outcome.Message}"));
        Assert.True(wrong.Length == 0, wrong);
        Assert.True(ran.Count > 0, $"The test did not come to its end in the guest. {Broken}");
    }

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        _rig = await VmRig.StartAsync();
        List<string> otherLines = [];
        TestReport report = new("the test program in the guest", _outcomes.Add, _ => { });
        var result = await _rig.Machine.RunAsync(
            ["dotnet", $"{VmRig.TestsInGuest}/VirtioUser.Guest.Tests.dll", .. TestReport.Arguments],
            line =>
            {
                if (!report.TryFollow(line))
                {
                    otherLines.Add(line);
                }
            });
        if (report.Ended == 0 || report.Running.Count > 0 || report.Errors > 0 || (result.ExitCode != 0 && report.Failed == 0))
        {
            Broken = $"The test program ended with {result.ExitCode} while it ran [{string.Join(", ", report.Running)}]:\n" +
                string.Join('\n', _outcomes.Where(outcome => outcome.Verdict == Verdict.Failed).Select(outcome => $"{outcome.Test}: {outcome.Message}")) +
                $"\n{string.Join('\n', otherLines.TakeLast(20))}\n{result.Error}\n{_rig.Daemon.LogTail}";
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_rig is not null)
        {
            await _rig.DisposeAsync();
        }
    }
}
