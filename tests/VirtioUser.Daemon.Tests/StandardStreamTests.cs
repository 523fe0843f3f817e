// What the daemon's command line says where nobody can read it.
using System.Diagnostics;
using VirtioUser.Daemon.Tests.Support;

namespace VirtioUser.Daemon.Tests;

public sealed class StandardStreamTests
{
    [Theory]
    [InlineData("--help")]
    [InlineData("--version")]
    [InlineData("--print-capabilities")]
    [InlineData("try --help")]
    public async Task An_output_that_is_full_or_closed_gets_one_sentence(string arguments)
    {
        foreach (var (place, reason) in new[] { ("/dev/full", "No space left"), ("&-", "") })
        {
            var (code, said) = await RunAsync($"exec \"$0\" {arguments} >{place}");

            Assert.Equal(1, code);
            var line = Assert.Single(said);
            Assert.StartsWith("virtio-userd: The output", line, StringComparison.Ordinal);
            Assert.Contains(reason, line, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(1, "--help >/dev/full")]
    [InlineData(1, "--print-capabilities >/dev/full")]
    [InlineData(1, "--socket-path /nowhere/s --device /nowhere/x.dll")]
    [InlineData(2, "--nonsense")]
    [InlineData(2, "--socket-path= --device x.dll")]
    [InlineData(2, "try --nonsense")]
    [InlineData(127, "try --device \"$1\" -- /nowhere/at-all")]
    public async Task An_error_that_nobody_can_read_is_in_the_exit_code(int expected, string arguments)
    {
        foreach (var place in new[] { "/dev/full", "&-" })
        {
            Assert.Equal(expected, (await RunAsync($"exec \"$0\" {arguments} 2>{place}")).Code);
        }
    }

    private static async Task<(int Code, string[] Said)> RunAsync(string command)
    {
        using var process = Process.Start(new ProcessStartInfo("sh", ["-c", command, BuildOutput.Daemon, BuildOutput.TestDevice]) { RedirectStandardError = true })!;
        var said = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken).WaitAsync(Patience.Limit, TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(Patience.Limit, TestContext.Current.CancellationToken);
        return (process.ExitCode, said.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }
}
