// What the machine takes by itself, as a program in C measures it.
using System.Globalization;
using VirtioUser.Benchmarks.Processes;
using VirtioUser.Vm;

namespace VirtioUser.Benchmarks.Measuring;

/// <summary>Runs benchmarks/native/floors.c for each turn; its own warm-up is not counted.</summary>
/// <param name="name">What people see.</param>
/// <param name="programs">Where it is.</param>
/// <param name="what">Which floor.</param>
sealed class FloorContender(string name, NativePrograms programs, string what) : Contender(name)
{
    const int FewForTheFirstTime = 2000;
    const int Most = 1 << 21;

    double nanosecondsEach;

    /// <inheritdoc/>
    public override async Task<Sample> MeasureAsync(TimeSpan turn)
    {
        long count = nanosecondsEach == 0 ? FewForTheFirstTime : Math.Clamp((long)(turn.TotalNanoseconds / nanosecondsEach), 100, Most);
        List<string> lines = new((int)count + 1);
        int code = await ChildProcess.RunAsync(programs.Floors, [what, count.ToString(CultureInfo.InvariantCulture)], new() { Output = lines.Add });
        if (code != 0 || lines.Count != count + 1)
        {
            throw new SetupException($"floors {what} ended with exit code {code} and {lines.Count} lines.");
        }

        long[] totals = [.. lines[0].Split(' ').Select(Parse)];
        long[] ascending = [.. lines.Skip(1).Select(Parse)];
        nanosecondsEach = totals[0] / (double)count;
        Latencies latencies = new(Latencies.At(ascending, 0.5), Latencies.At(ascending, 0.99), Latencies.At(ascending, 0.999), nanosecondsEach, count);
        return Sample.Of(latencies, TimeSpan.FromMicroseconds(totals[1] / 1000.0));
    }

    /// <inheritdoc/>
    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;

    static long Parse(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}
