// Runs a command whose output may be full or closed. Compiled into each program that has a command line.
using System.CommandLine;

namespace Virtio;

/// <summary>Makes one sentence and an exit code of what the standard streams refuse, as the tools of a system do.</summary>
internal static class GuardedCommand
{
    private const int Failure = 1;

    /// <summary>Runs what was parsed, be it only help that is printed.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="program">What stands before the sentence; empty for nothing.</param>
    /// <param name="configuration">How to run it; null for the defaults.</param>
    /// <param name="cancellation">Ends it; the <see cref="OperationCanceledException"/> is the caller's then.</param>
    /// <returns>The command's exit code; 1 where its output or a file failed, or where Ctrl+C ended it.</returns>
    public static async Task<int> InvokeGuardedAsync(
        this ParseResult parsed, string program = "", InvocationConfiguration? configuration = null, CancellationToken cancellation = default)
    {
        configuration ??= new InvocationConfiguration();
        configuration.EnableDefaultExceptionHandler = false; // it shows a stack trace
        try
        {
            return await parsed.InvokeAsync(configuration, cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException) // the latter where a stream is closed
        {
            StandardError.WriteLine($"{program}The output or another file could not be written or read: {e.Message}");
            return Failure;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return Failure;
        }
    }
}
