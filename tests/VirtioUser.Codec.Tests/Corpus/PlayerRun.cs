// vu-play as a user runs it.
using System.Text.Json;
using VirtioUser.Codec.Tests.Support;
using VirtioUser.Guest;
using VirtioUser.Vm;

namespace VirtioUser.Codec.Tests.Corpus;

/// <summary>What vu-play made of a file.</summary>
/// <param name="Code">Its exit code.</param>
/// <param name="Listing">The pictures' sums, without the line about the program.</param>
/// <param name="Said">What it said beside its summary.</param>
/// <param name="Errors">How many errors its summary counts; null if it did not come to one.</param>
internal sealed record PlayerRun(int Code, IReadOnlyList<string> Listing, IReadOnlyList<string> Said, long? Errors)
{
    // Small and odd, so that nothing that belongs together comes together.
    private const string BytesAtATime = "bs=61";

    /// <summary>Runs it to its end.</summary>
    /// <param name="socketPath">The daemon's socket.</param>
    /// <param name="file">The file.</param>
    /// <param name="threads">Threads of the decoder.</param>
    /// <param name="byPipe">Whether the file comes through a pipe, a few bytes at a time.</param>
    public static async Task<PlayerRun> RunAsync(string socketPath, string file, int threads, bool byPipe)
    {
        List<string> output = [], said = [];
        long? errors = null;
        string[] play = ["dotnet", BuildOutput.PathOf("vu-play", "vu-play.dll"), byPipe ? "/dev/stdin" : file, "--framemd5", "-", "--json", "--threads", $"{threads}"];
        var command = byPipe ? ["sh", "-c", $"input=$1; shift; dd if=\"$input\" {BytesAtATime} status=none | \"$@\"", "sh", file, .. play] : play;
        var code = await ChildProcess.RunAsync(
            command[0],
            command[1..],
            new()
            {
                Output = output.Add,
                Error = line =>
                {
                    if (line.StartsWith('{'))
                    {
                        errors = JsonDocument.Parse(line).RootElement.GetProperty("errors").GetInt64();
                    }
                    else
                    {
                        said.Add(line);
                    }
                },
                Environment = new Dictionary<string, string?> { [DeviceSource.EnvironmentVariable] = "unix:" + socketPath },
            },
            Patience.Token());
        Assert.DoesNotContain(said, line => line.Contains("Unhandled exception", StringComparison.Ordinal));
        return new(code, Workshop.Relevant(output), said, errors);
    }
}
