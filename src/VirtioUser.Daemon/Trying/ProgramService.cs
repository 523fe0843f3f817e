// Runs the program that a device is tried with.
using System.ComponentModel;
using System.Diagnostics;
using Microsoft.Extensions.Hosting;
using Virtio;

namespace VirtioUser.Daemon.Trying;

/// <summary>
/// Starts the program when the daemon listens; its end is the daemon's end. It has the daemon's terminal, and finds the
/// devices by the environment variable <c>VIRTIO_USER</c>.
/// </summary>
internal sealed class ProgramService(DaemonOptions options, IHostApplicationLifetime lifetime) : IHostedService, IDisposable
{
    // As shells have it.
    private const int NotFound = 127, CannotRun = 126;

    private const int NoSuchFile = 2; // ENOENT

    // A program that was told to end by the same Ctrl+C as the daemon is about to.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);

    private readonly Process _process = new();
    private bool _started;

    /// <summary>The program's exit code, once it has ended.</summary>
    public int ExitCode { get; private set; }

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        var words = options.Program!;
        if (words[0].Length == 0)
        {
            Fail(NotFound, "The program's name is empty.");
            return Task.CompletedTask;
        }

        if (Directory.Exists(words[0]) && words[0].Contains('/', StringComparison.Ordinal))
        {
            Fail(CannotRun, $"{words[0]} could not be started: it is a folder.");
            return Task.CompletedTask;
        }

        _process.StartInfo = new ProcessStartInfo(words[0], words.Skip(1)) { Environment = { ["VIRTIO_USER"] = $"unix:{options.Listeners[0].Path}" } };
        _process.EnableRaisingEvents = true;
        _process.Exited += (_, _) => lifetime.StopApplication();
        try
        {
            _process.Start();
            _started = true;
        }
        catch (Win32Exception e)
        {
            Fail(e.NativeErrorCode == NoSuchFile ? NotFound : CannotRun, $"{words[0]} could not be started: {e.Message.TrimEnd('.')}.");
        }

        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (!_started)
        {
            return;
        }

        await _process.WaitForExitAsync(CancellationToken.None).WaitAsync(Grace, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
        }

        ExitCode = _process.ExitCode;
    }

    /// <inheritdoc/>
    public void Dispose() => _process.Dispose();

    private void Fail(int code, string message)
    {
        ExitCode = code;
        lifetime.StopApplication();
        StandardError.WriteLine($"virtio-userd: {message}");
    }
}
