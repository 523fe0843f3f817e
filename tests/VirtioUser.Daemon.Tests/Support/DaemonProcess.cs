// virtio-userd as a process.
using System.Diagnostics;

namespace VirtioUser.Daemon.Tests.Support;

/// <summary>Starts the daemon, collects what it says, ends it. Ends with the test process, however that ends.</summary>
internal sealed class DaemonProcess : IAsyncDisposable
{
    private const int Sigterm = 15;

    private readonly Lock _lock = new();
    private readonly List<string> _errorLines = [];
    private readonly List<(Func<string, bool> Wanted, TaskCompletionSource<string> Seen)> _waiters = [];
    private readonly TaskCompletionSource<int> _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<int> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<string> _outputLines = [];

    private DaemonProcess(IReadOnlyList<string> arguments) => Arguments = arguments;

    public IReadOnlyList<string> Arguments { get; }

    public int Id => _started.Task.Result;

    /// <summary>Completes with the exit code when all output was read.</summary>
    public Task<int> Exited => _exited.Task.WaitAsync(Patience.Limit);

    public IReadOnlyList<string> ErrorLines
    {
        get
        {
            lock (_lock)
            {
                return [.. _errorLines];
            }
        }
    }

    public string Output
    {
        get
        {
            lock (_lock)
            {
                return string.Join('\n', _outputLines);
            }
        }
    }

    /// <summary>Starts the daemon and does not wait until it listens.</summary>
    public static async Task<DaemonProcess> StartAsync(params IReadOnlyList<string> arguments)
    {
        var daemon = new DaemonProcess(arguments);
        new Thread(daemon.Own) { IsBackground = true, Name = "daemon process" }.Start();
        await daemon._started.Task.ConfigureAwait(false);
        return daemon;
    }

    /// <summary>Starts the daemon and waits until a front-end can connect.</summary>
    public static async Task<DaemonProcess> ListenAsync(string socketPath, params IReadOnlyList<string> arguments)
    {
        var daemon = await StartAsync(["--socket-path", socketPath, .. arguments]).ConfigureAwait(false);
        await daemon.LineAsync("Listening on").ConfigureAwait(false);
        return daemon;
    }

    /// <summary>Waits for a line on standard error that holds a text; one that came before counts.</summary>
    public Task<string> LineAsync(string text) => LineAsync(line => line.Contains(text, StringComparison.Ordinal), text);

    /// <summary>The same for a line that holds two texts.</summary>
    public Task<string> LineAsync(string text, string other) =>
        LineAsync(line => line.Contains(text, StringComparison.Ordinal) && line.Contains(other, StringComparison.Ordinal), $"{text} ... {other}");

    private async Task<string> LineAsync(Func<string, bool> wanted, string what)
    {
        var seen = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            if (_errorLines.Find(line => wanted(line)) is { } line)
            {
                return line;
            }

            _waiters.Add((wanted, seen));
        }

        var first = await Task.WhenAny(seen.Task, _exited.Task).WaitAsync(Patience.Limit).ConfigureAwait(false);
        return first == seen.Task || seen.Task.IsCompleted
            ? await seen.Task.ConfigureAwait(false)
            : throw new InvalidOperationException($"The daemon ended and never said '{what}', but:\n{string.Join('\n', ErrorLines)}");
    }

    /// <summary>Ends the daemon as a service manager does, and checks that it agrees.</summary>
    public async Task AssertStopsAsync()
    {
        var exitCode = await StopAsync().ConfigureAwait(false);
        Assert.True(exitCode == 0, $"The daemon ended with {exitCode}. It said:\n{string.Join('\n', ErrorLines)}");
    }

    private void Terminate() => Assert.Equal(0, NativeMethods.Kill(Id, Sigterm));

    private Task<int> StopAsync()
    {
        if (!_exited.Task.IsCompleted)
        {
            Terminate();
        }

        return Exited;
    }

    public async ValueTask DisposeAsync()
    {
        if (_exited.Task.IsCompleted)
        {
            return;
        }

        try
        {
            Process.GetProcessById(Id).Kill();
        }
        catch (ArgumentException)
        {
            // It ended by itself just now.
        }

        await Exited.ConfigureAwait(false);
    }

    // The kernel tells the child when the thread that started it ends, so the thread stays as long as the child.
    private void Own()
    {
        using var process = new Process(); // SIGHUP means something to it although these tests may run under nohup
        process.StartInfo = new ProcessStartInfo("env", ["--default-signal=HUP", "setpriv", "--pdeathsig", "KILL", "--", BuildOutput.Daemon, .. Arguments])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            RedirectStandardInput = true,
        };
        process.ErrorDataReceived += (_, e) => Add(_errorLines, e.Data);
        process.OutputDataReceived += (_, e) => Add(_outputLines, e.Data);
        try
        {
            process.Start();
        }
        catch (Exception e)
        {
            _started.SetException(e);
            throw;
        }

        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
        _started.SetResult(process.Id);
        process.WaitForExit();
        _exited.SetResult(process.ExitCode);
    }

    private void Add(List<string> lines, string? line)
    {
        if (line is null)
        {
            return;
        }

        lock (_lock)
        {
            lines.Add(line);
            if (lines == _errorLines)
            {
                _waiters.FindAll(waiter => waiter.Wanted(line)).ForEach(waiter => waiter.Seen.TrySetResult(line));
            }
        }
    }
}
