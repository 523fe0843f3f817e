using System.ComponentModel;
using System.Globalization;
using CliWrap;

namespace VirtioUser.Vm;

/// <summary>
/// A program that ends when this process ends, however this process ends.
/// </summary>
/// <remarks>
/// The kernel sends the child <see cref="Options.SignalWithParent"/> when the thread that started it ends
/// (<c>PR_SET_PDEATHSIG</c>, set by <c>setpriv</c>). Threads of the pool come and go, so every child is started by a
/// thread of its own, which stays until the child has ended. All members may be used from any thread.
/// </remarks>
public sealed class ChildProcess : IAsyncDisposable
{
    private readonly CancellationTokenSource _kill = new();
    private readonly TaskCompletionSource<int> _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<int> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ChildProcess(string program) => Program = program;

    /// <summary>How a child is started.</summary>
    public sealed record Options
    {
        /// <summary>Called for each line of standard output, one line at a time.</summary>
        public Action<string>? Output { get; init; }

        /// <summary>Called for each line of standard error, one line at a time; may overlap with <see cref="Output"/>.</summary>
        public Action<string>? Error { get; init; }

        /// <summary>Environment variables on top of this process's own; null removes one.</summary>
        public IReadOnlyDictionary<string, string?> Environment { get; init; } = new Dictionary<string, string?>();

        /// <summary>Working folder; null for this process's own.</summary>
        public string? WorkingFolder { get; init; }

        /// <summary>The signal that the child gets when this process ends: its name without SIG.</summary>
        public string SignalWithParent { get; init; } = "TERM";
    }

    /// <summary>The program, as it was named.</summary>
    public string Program { get; }

    /// <summary>The child's process ID.</summary>
    public int Id { get; private set; }

    /// <summary>Completes with the exit code (128 + signal for a killed child) when the child has ended and its output is read.</summary>
    public Task<int> Exited => _exited.Task;

    /// <summary>Starts <paramref name="program"/>, found by PATH.</summary>
    /// <exception cref="SetupException">The program is not there or may not be run.</exception>
    public static async Task<ChildProcess> StartAsync(string program, IEnumerable<string> arguments, Options? options = null)
    {
        var child = new ChildProcess(program);
        options ??= new Options();
        var command = Cli.Wrap("setpriv")
            .WithArguments(["--pdeathsig", options.SignalWithParent, "--", program, .. arguments])
            .WithEnvironmentVariables(options.Environment)
            .WithValidation(CommandResultValidation.None)
            .WithStandardOutputPipe(options.Output is null ? PipeTarget.Null : PipeTarget.ToDelegate(options.Output))
            .WithStandardErrorPipe(options.Error is null ? PipeTarget.Null : PipeTarget.ToDelegate(options.Error));
        if (options.WorkingFolder is { } folder)
        {
            command = command.WithWorkingDirectory(folder);
        }

        new Thread(() => child.Own(command)) { IsBackground = true, Name = Path.GetFileName(program) }.Start();
        child.Id = await child._started.Task.ConfigureAwait(false);
        return child;
    }

    /// <summary>Runs a program to its end and returns its exit code; cancelling stops it first.</summary>
    /// <exception cref="SetupException">The program is not there or may not be run.</exception>
    /// <exception cref="OperationCanceledException">It was stopped because of <paramref name="cancellationToken"/>.</exception>
    public static async Task<int> RunAsync(
        string program, IEnumerable<string> arguments, Options? options = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await using var child = await StartAsync(program, arguments, options).ConfigureAwait(false);
        return await child.Exited.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Sends a signal, by its name without SIG. Does nothing once the child has ended.</summary>
    public async Task SignalAsync(string signal)
    {
        if (!_exited.Task.IsCompleted)
        {
            await Cli.Wrap("sh")
                .WithArguments(["-c", "kill -s \"$0\" \"$1\"", signal, Id.ToString(CultureInfo.InvariantCulture)])
                .WithValidation(CommandResultValidation.None) // it may end at this very moment
                .ExecuteAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Asks the child to end (SIGTERM), kills it when it has not ended within <paramref name="grace"/>, and returns its exit code.</summary>
    public async Task<int> StopAsync(TimeSpan grace)
    {
        await SignalAsync("TERM").ConfigureAwait(false);
        try
        {
            return await Exited.WaitAsync(grace).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            await _kill.CancelAsync().ConfigureAwait(false);
            return await Exited.ConfigureAwait(false);
        }
    }

    /// <summary>Stops the child as <see cref="StopAsync"/> does, with ten seconds of grace.</summary>
    public async ValueTask DisposeAsync()
    {
        await StopAsync(TimeSpan.FromSeconds(10)).ConfigureAwait(false);
        _kill.Dispose();
    }

    private void Own(Command command)
    {
        try
        {
            var task = command.ExecuteAsync(_kill.Token);
            _started.SetResult(task.ProcessId);
            _exited.SetResult(task.Task.GetAwaiter().GetResult().ExitCode);
        }
        catch (OperationCanceledException)
        {
            _exited.SetResult(128 + 9);
        }
        catch (Exception e) when (e is Win32Exception or IOException)
        {
            if (!_started.TrySetException(new SetupException($"{Program} could not be started: {e.Message}.", e)))
            {
                _exited.TrySetException(e);
            }
        }
    }
}
