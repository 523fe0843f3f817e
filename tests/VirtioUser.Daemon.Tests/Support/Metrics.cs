// What the daemon counts, read as Prometheus does.
using System.Diagnostics;
using System.Globalization;

namespace VirtioUser.Daemon.Tests.Support;

internal sealed class Metrics(int port) : IDisposable
{
    private readonly HttpClient _client = new() { BaseAddress = new Uri($"http://127.0.0.1:{port}/") };

    /// <summary>All values, by name; where there are labels, they belong to the name.</summary>
    public async Task<IReadOnlyDictionary<string, double>> ReadAsync()
    {
        var text = await _client.GetStringAsync(new Uri("metrics", UriKind.Relative)).WaitAsync(Patience.Limit);
        return text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Where(line => line[0] != '#')
            .Select(line => line.Split(' '))
            .Where(words => words.Length >= 2)
            .ToDictionary(
                words => words[0],
                words => double.Parse(words[1], CultureInfo.InvariantCulture));
    }

    /// <summary>Reads until a metric has a value: there is nothing else that tells when callbacks in the daemon have returned.</summary>
    public async Task WaitForAsync(string name, double value)
    {
        var began = Stopwatch.GetTimestamp();
        while ((await ReadAsync())[name] is var now && now != value)
        {
            Patience.Left(began, $"{name} is {now}, not {value}");
        }
    }

    public void Dispose() => _client.Dispose();
}
