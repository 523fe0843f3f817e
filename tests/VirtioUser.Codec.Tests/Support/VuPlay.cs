// vu-play as a user runs it.
using VirtioUser.Guest;
using VirtioUser.Vm;

namespace VirtioUser.Codec.Tests.Support;

/// <summary>Runs vu-play without a VM.</summary>
internal static class VuPlay
{
    /// <summary>Runs it to its end.</summary>
    /// <param name="socketPath">The daemon's socket.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <returns>Its exit code, the lines of its output, and those of its error output.</returns>
    public static async Task<(int Code, List<string> Output, List<string> Said)> RunAsync(string socketPath, params string[] arguments)
    {
        List<string> output = [], said = [];
        var code = await ChildProcess.RunAsync(
            "dotnet",
            [BuildOutput.PathOf("vu-play", "vu-play.dll"), .. arguments],
            new()
            {
                Output = output.Add,
                Error = said.Add,
                Environment = new Dictionary<string, string?> { [DeviceSource.EnvironmentVariable] = "unix:" + socketPath },
            },
            Patience.Token());
        Assert.DoesNotContain(said, line => line.Contains("Unhandled exception", StringComparison.Ordinal));
        return (code, output, said);
    }
}
