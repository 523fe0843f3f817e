// A side that is a program in C and measures itself.
using System.Globalization;
using VirtioUser.Benchmarks.Processes;
using VirtioUser.Vm;

namespace VirtioUser.Benchmarks.Measuring;

/// <summary>Runs a program of benchmarks/native for each turn; its own warm-up is not counted.</summary>
/// <param name="name">What people see.</param>
/// <param name="program">The program; it prints what timing.h says.</param>
/// <param name="arguments">Its arguments, but for the last one: how often.</param>
/// <param name="server">The process at the other end, if the program is not both ends; owned by this.</param>
/// <param name="perTurn">
/// How many operations each of its times stands for, where operations a second are compared; 0 where the times are.
/// </param>
internal sealed class NativeContender(string name, string program, IReadOnlyList<string> arguments, ServerProcess? server = null, int perTurn = 0) : Contender(name)
{
    private const int FewForTheFirstTime = 2000;
    private const int Most = 1 << 20;

    private double _nanosecondsEach;

    /// <inheritdoc/>
    public override IReadOnlyList<int> Others => server is null ? [] : [server.Id];

    /// <inheritdoc/>
    public override async Task<Sample> MeasureAsync(TimeSpan turn)
    {
        var count = _nanosecondsEach == 0 ? FewForTheFirstTime : Math.Clamp((long)(turn.TotalNanoseconds / _nanosecondsEach), 100, Most);
        List<string> lines = new((int)count + 1);
        var error = "";
        var before = ServerCpu();
        var code = await ChildProcess.RunAsync(
            program, [.. arguments, count.ToString(CultureInfo.InvariantCulture)], new() { Output = lines.Add, Error = line => error = line });
        if (code != 0 || lines.Count != count + 1)
        {
            throw new SetupException($"{program} {string.Join(' ', arguments)} ended with exit code {code} and {lines.Count} lines. {error}");
        }

        long[] totals = [.. lines[0].Split(' ').Select(Parse)];
        long[] ascending = [.. lines.Skip(1).Select(Parse)];
        _nanosecondsEach = totals[0] / (double)count;
        var cpu = TimeSpan.FromMicroseconds(totals[1] / 1000.0) + (ServerCpu() - before);
        return perTurn > 0
            ? new Sample(perTurn * count * 1e9 / totals[0], null, cpu, perTurn * count)
            : Sample.Of(new Latencies(Latencies.At(ascending, 0.5), Latencies.At(ascending, 0.99), Latencies.At(ascending, 0.999), _nanosecondsEach, count), cpu);
    }

    /// <inheritdoc/>
    public override ValueTask DisposeAsync() => server?.DisposeAsync() ?? ValueTask.CompletedTask;

    private static long Parse(string text) => long.Parse(text, CultureInfo.InvariantCulture);

    private TimeSpan ServerCpu() => server is null ? TimeSpan.Zero : CpuTime.Of(server.Id);
}
