// What goes on, in one line that is written over.
using Spectre.Console;

namespace VirtioUser.Benchmarks.Reporting;

/// <summary>
/// Tells people at a terminal what is measured. It writes when it is told something and never else: a line that moves
/// by itself would take processor time and memory from what is measured.
/// </summary>
/// <param name="console">Where people look; nothing is written if it is no terminal.</param>
internal sealed class ProgressLine(IAnsiConsole console)
{
    private const string Erase = "\r\e[K";

    private readonly bool _shown = console.Profile.Capabilities.Interactive && !Console.IsOutputRedirected;

    /// <summary>Writes over the line.</summary>
    /// <param name="text">What goes on.</param>
    public void Show(string text)
    {
        if (_shown)
        {
            Console.Write(Erase + text[..Math.Min(text.Length, Math.Max(1, Console.WindowWidth - 1))]);
        }
    }

    /// <summary>Takes the line away.</summary>
    public void Clear()
    {
        if (_shown)
        {
            Console.Write(Erase);
        }
    }
}
