using System.Globalization;
using System.Text;

namespace VirtioUser.Vm;

/// <summary>A command that runs, or ran, in the guest.</summary>
public sealed class GuestCommand
{
    readonly Action<string>? onOutput;
    readonly Action<string>? onError;
    readonly StringBuilder output = new(), error = new();
    readonly TaskCompletionSource<int> started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly TaskCompletionSource<GuestCommandResult> exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly Func<GuestCommand, string, Task> signal;
    readonly Lock gate = new();
    readonly bool[] begun = new bool[2];
    int streamsToEnd = 2;

    internal GuestCommand(string line, Action<string>? onOutput, Action<string>? onError, Func<GuestCommand, string, Task> signal)
    {
        Line = line;
        this.onOutput = onOutput;
        this.onError = onError;
        this.signal = signal;
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
    public Task<int> Started => started.Task;

    /// <summary>
    /// Completes when the command has ended and its output is here. Fails with <see cref="VirtualMachineException"/>
    /// when the VM ends or restarts before that.
    /// </summary>
    public Task<GuestCommandResult> Exited => exited.Task;

    /// <summary>Sends a signal, by its name without SIG, to the command and to all processes that it started.</summary>
    /// <exception cref="VirtualMachineException">The VM has ended.</exception>
    public Task SignalAsync(string name) => signal(this, name);

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
        started.TrySetException(exception);
        exited.TrySetException(exception);
        _ = started.Task.Exception; // observed here: a caller may look at one of the two only
        _ = exited.Task.Exception;
    }

    internal void OnLine(string line, Stream stream)
    {
        int mark = line.IndexOf("\0" + Nonce + ' ', StringComparison.Ordinal);
        if (mark < 0)
        {
            if (begun[(int)stream]) // otherwise left over from a process that outlived an earlier command
            {
                Deliver(line, stream, lineEnd: true);
            }

            return;
        }

        string[] words = line[(mark + 1)..].Split(' ');
        int value = int.Parse(words[2], CultureInfo.InvariantCulture);
        if (words[1] == "begin")
        {
            begun[(int)stream] = true;
            started.TrySetResult(value);
            return;
        }

        if (mark > 0)
        {
            Deliver(line[..mark], stream, lineEnd: false); // the last line had no end
        }

        if (Interlocked.Decrement(ref streamsToEnd) == 0)
        {
            started.TrySetException(new VirtualMachineException("The guest could not start the command."));
            _ = started.Task.Exception;
            lock (gate)
            {
                exited.TrySetResult(new GuestCommandResult(value, output.ToString(), error.ToString()));
            }
        }
    }

    void Deliver(string line, Stream stream, bool lineEnd)
    {
        lock (gate) // so that calls of the two streams' callbacks do not overlap
        {
            StringBuilder all = stream == Stream.Output ? output : error;
            all.Append(line);
            if (lineEnd)
            {
                all.Append('\n');
            }

            (stream == Stream.Output ? onOutput : onError)?.Invoke(line);
        }
    }
}

/// <summary>How a command in the guest ended.</summary>
/// <param name="ExitCode">Its exit code; 128 + signal if it was killed.</param>
/// <param name="Output">All of its standard output.</param>
/// <param name="Error">All of its standard error.</param>
public sealed record GuestCommandResult(int ExitCode, string Output, string Error);
