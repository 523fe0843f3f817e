// Takes turns: A B A B.
namespace VirtioUser.Benchmarks.Measuring;

/// <summary>How often and how long contenders take their turns.</summary>
/// <param name="Count">How many rounds.</param>
/// <param name="Turn">How long one turn of one contender takes.</param>
/// <param name="WarmUp">How long each contender runs before that: code is compiled, caches are filled.</param>
internal sealed record Rounds(int Count, TimeSpan Turn, TimeSpan WarmUp)
{
    /// <summary>Measures the contenders in turns.</summary>
    /// <param name="contenders">At least one; each ends up with as many samples as there are rounds.</param>
    /// <param name="busyWith">Told who is measured.</param>
    /// <param name="cancellationToken">Ends it between two turns.</param>
    public async Task<IReadOnlyList<Series>> MeasureAsync(IReadOnlyList<Contender> contenders, Action<string> busyWith, CancellationToken cancellationToken)
    {
        List<Sample>[] samples = [.. contenders.Select(_ => new List<Sample>())];
        foreach (var contender in contenders)
        {
            busyWith($"{contender.Name}: warming up");
            await contender.MeasureAsync(WarmUp);
        }

        for (var round = 1; round <= Count; round++)
        {
            for (var i = 0; i < contenders.Count; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                busyWith($"{contenders[i].Name}: round {round} of {Count}");
                samples[i].Add(await contenders[i].MeasureAsync(Turn));
            }
        }

        return [.. contenders.Select((contender, i) => new Series(contender.Name, samples[i]))];
    }
}
