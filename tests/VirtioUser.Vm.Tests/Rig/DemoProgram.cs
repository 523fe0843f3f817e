// The program behind ./demo.
namespace VirtioUser.Vm.Tests;

/// <summary>Runs the demo as the script does.</summary>
internal static class DemoProgram
{
    /// <summary>Runs it to its end.</summary>
    /// <param name="arguments">Its arguments.</param>
    /// <returns>Exit code, and all lines that it wrote.</returns>
    public static async Task<(int Code, string Output)> RunAsync(params string[] arguments)
    {
        List<string> lines = [];
        Lock gate = new();
        void Hear(string line)
        {
            lock (gate)
            {
                lines.Add(line);
            }
        }

        var code = await ChildProcess.RunAsync(
            "dotnet", [BuildOutput.PathOf("VirtioUser.Demo", "VirtioUser.Demo.dll"), .. arguments], new() { Output = Hear, Error = Hear },
            TestContext.Current.CancellationToken);
        return (code, string.Join('\n', lines));
    }

    /// <summary>Starts it. SIGHUP means something to it, although the tests may run under nohup.</summary>
    /// <param name="temporary">Where it is to put temporary files.</param>
    /// <param name="arguments">Its arguments.</param>
    public static Task<ChildProcess> StartAsync(string temporary, params string[] arguments) => ChildProcess.StartAsync(
        "env", ["--default-signal=HUP", "dotnet", BuildOutput.PathOf("VirtioUser.Demo", "VirtioUser.Demo.dll"), .. arguments],
        new() { Environment = new Dictionary<string, string?> { ["TMPDIR"] = temporary } });
}
