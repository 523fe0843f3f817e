using System.Globalization;
using Spectre.Console;

namespace VirtioUser.Vm;

/// <summary>Shows a preparation on the terminal: a moving line while a step goes on, a line with its time when it is done.</summary>
public static class ConsoleProgress
{
    /// <summary>Prepares a guest image and shows how it goes; shows nothing if nothing has to be made.</summary>
    /// <inheritdoc cref="GuestImage.PrepareAsync"/>
    public static Task<GuestImage> PrepareAsync(
        IAnsiConsole console, GuestImageOptions? options = null, CancellationToken cancellationToken = default) =>
        ShowAsync(console, progress => GuestImage.PrepareAsync(options, progress, cancellationToken));

    /// <summary>Shows how any preparation goes; shows nothing if it reports nothing.</summary>
    /// <param name="console">Where.</param>
    /// <param name="prepare">What prepares; it reports to what it is given.</param>
    /// <returns>What <paramref name="prepare"/> returns.</returns>
    public static async Task<T> ShowAsync<T>(IAnsiConsole console, Func<IProgress<PreparationProgress>, Task<T>> prepare)
    {
        ArgumentNullException.ThrowIfNull(console);
        ArgumentNullException.ThrowIfNull(prepare);
        return console.Profile.Capabilities.Interactive
            ? await console.Status().StartAsync("looking at what is there", context => prepare(new Reporter(console, context))).ConfigureAwait(false)
            : await prepare(new Reporter(console, null)).ConfigureAwait(false);
    }

    /// <summary>A duration as people read it: seconds with one digit.</summary>
    public static string Seconds(TimeSpan time) => time.TotalSeconds.ToString("0.0 s", CultureInfo.InvariantCulture);

    private sealed class Reporter(IAnsiConsole console, StatusContext? context) : IProgress<PreparationProgress>
    {
        private string? _begun;

        public void Report(PreparationProgress value)
        {
            if (value.Elapsed is { } elapsed)
            {
                console.MarkupLineInterpolated($"  [green]made[/] {value.Step} [grey]({Seconds(elapsed)})[/]");
            }
            else if (context is not null)
            {
                context.Status(Markup.Escape(value.Detail.Length == 0 ? value.Step : $"{value.Step}: {value.Detail}"));
            }
            else if (value.Step != _begun)
            {
                _begun = value.Step;
                console.MarkupLineInterpolated($"  making {value.Step}");
            }
        }
    }
}
