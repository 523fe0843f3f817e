using System.Globalization;
using System.Text;

namespace VirtioUser.Vm;

/// <summary>A command that runs, or ran, in the guest.</summary>
public sealed class GuestCommand
{
    private readonly Action<string>? _onOutput;
    private readonly Action<string>? _onError;
    private readonly StringBuilder _output = new(), _error = new();
    private readonly TaskCompletionSource<int> _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<GuestCommandResult> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Func<GuestCommand, string, Task> _signal;
    private readonly Lock _gate = new();
    private readonly bool[] _begun = new bool[2];
    private int _streamsToEnd = 2;

    internal GuestCommand(string line, Action<string>? onOutput, Action<string>? onError, Func<GuestCommand, string, Task> signal)
    {
        Line = line;
        this._onOutput = onOutput;
        this._onError = onError;
        this._signal = signal;
    }

    internal enum Stream
    {
        Output,
        Error,
    }

    /// <summary>Tells this command's lines from those of any other.</summary>
    internal string Nonce { get; } = Guid.NewGuid().ToString("N");

    /// <summary>The command, as the guest's shell reads it.</summary>
    internal string Line { get; }

    /// <summary>Completes when the command runs, with its process ID in the guest; the process leads a session of its own.</summary>
    public Task<int> Started => _started.Task;

    /// <summary>
    /// Completes when the command has ended and its output is here. Fails with <see cref="VirtualMachineException"/>
    /// when the VM ends or restarts before that.
    /// </summary>
    public Task<GuestCommandResult> Exited => _exited.Task;

    /// <summary>Sends a signal, by its name without SIG, to the command and to all processes that it started.</summary>
    /// <exception cref="VirtualMachineException">The VM has ended.</exception>
    public Task SignalAsync(string name) => _signal(this, name);

    /// <summary>Waits for <see cref="Exited"/>; when cancelled, kills the command first.</summary>
    /// <exception cref="OperationCanceledException">The command was killed because of <paramref name="cancellationToken"/>.</exception>
    /// <exception cref="VirtualMachineException">The VM ended or restarted.</exception>
    public async Task<GuestCommandResult> WaitAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await Exited.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            await SignalAsync("KILL").ConfigureAwait(false);
            await Exited.ConfigureAwait(false);
            throw;
        }
    }

    internal void Fail(Exception exception)
    {
        _started.TrySetException(exception);
        _exited.TrySetException(exception);
        _ = _started.Task.Exception; // observed here: a caller may look at one of the two only
        _ = _exited.Task.Exception;
    }

    internal void OnLine(string line, Stream stream)
    {
        var mark = line.IndexOf("\0" + Nonce + ' ', StringComparison.Ordinal);
        if (mark < 0)
        {
            if (_begun[(int)stream]) // otherwise left over from a process that outlived an earlier command
            {
                Deliver(line, stream, lineEnd: true);
            }

            return;
        }

        var words = line[(mark + 1)..].Split(' ');
        var value = int.Parse(words[2], CultureInfo.InvariantCulture);
        if (words[1] == "begin")
        {
            _begun[(int)stream] = true;
            _started.TrySetResult(value);
            return;
        }

        if (mark > 0)
        {
            Deliver(line[..mark], stream, lineEnd: false); // the last line had no end
        }

        if (Interlocked.Decrement(ref _streamsToEnd) == 0)
        {
            _started.TrySetException(new VirtualMachineException("The guest could not start the command."));
            _ = _started.Task.Exception;
            lock (_gate)
            {
                _exited.TrySetResult(new GuestCommandResult(value, _output.ToString(), _error.ToString()));
            }
        }
    }

    private void Deliver(string line, Stream stream, bool lineEnd)
    {
        lock (_gate) // so that calls of the two streams' callbacks do not overlap
        {
            var all = stream == Stream.Output ? _output : _error;
            all.Append(line);
            if (lineEnd)
            {
                all.Append('\n');
            }

            (stream == Stream.Output ? _onOutput : _onError)?.Invoke(line);
        }
    }
}

/// <summary>How a command in the guest ended.</summary>
/// <param name="ExitCode">Its exit code; 128 + signal if it was killed.</param>
/// <param name="Output">All of its standard output.</param>
/// <param name="Error">All of its standard error.</param>
public sealed record GuestCommandResult(int ExitCode, string Output, string Error);
