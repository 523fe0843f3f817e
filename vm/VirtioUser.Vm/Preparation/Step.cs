using System.Diagnostics;

namespace VirtioUser.Vm;

/// <summary>One step of a preparation: reports its beginning, what it is busy with, and its end.</summary>
internal static class Step
{
    public static async Task RunAsync(string name, IProgress<PreparationProgress>? progress, Func<Action<string>, Task> work)
    {
        var watch = Stopwatch.StartNew();
        progress?.Report(new(name, "", null));
        await work(detail => progress?.Report(new(name, detail, null))).ConfigureAwait(false);
        progress?.Report(new(name, "", watch.Elapsed));
    }
}
