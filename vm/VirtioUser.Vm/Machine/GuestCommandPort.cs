using System.Net.Sockets;
using System.Text;

namespace VirtioUser.Vm;

/// <summary>
/// One pair of ports to the guest: runs one command at a time. The other end is Guest/commands.sh, which describes the
/// lines between the two.
/// </summary>
internal sealed class GuestCommandPort : IDisposable
{
    // A program that writes no line ends can not make this process keep more than this of it.
    private const int LongestLine = 1 << 20;

    private readonly NetworkStream _output;
    private readonly NetworkStream _error;
    private readonly Lock _gate = new();
    private GuestCommand? _current;
    private TaskCompletionSource _ready = New();
    private Exception? _ended;

    public GuestCommandPort(NetworkStream output, NetworkStream error)
    {
        this._output = output;
        this._error = error;
        _ = ReadLinesAsync(output, OnOutput);
        _ = ReadLinesAsync(error, OnError);
    }

    public static string OutputSocket(int pair) => $"commands-{pair}";

    public static string ErrorSocket(int pair) => $"commands-{pair}-error";

    /// <summary>Completes when the guest's end takes commands; faulted once the VM has ended.</summary>
    public Task Ready
    {
        get
        {
            lock (_gate)
            {
                return _ready.Task;
            }
        }
    }

    /// <summary>Makes <see cref="Ready"/> wait for the guest's next start.</summary>
    public void ExpectRestart()
    {
        lock (_gate)
        {
            if (_ended is null)
            {
                _ready = New();
            }
        }
    }

    /// <summary>Sends a command; the previous one must have ended.</summary>
    /// <exception cref="VirtualMachineException">The VM has ended.</exception>
    public async Task SendAsync(GuestCommand command)
    {
        lock (_gate)
        {
            if (_ended is not null)
            {
                throw _ended;
            }

            _current = command;
        }

        try
        {
            await _output.WriteAsync(Encoding.UTF8.GetBytes($"{command.Nonce} {command.Line}\n")).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            command.Fail(new VirtualMachineException("The VM has ended before it took the command.", e));
        }
    }

    /// <summary>Fails the running command and every later one.</summary>
    public void Fail(Exception exception)
    {
        GuestCommand? failed;
        lock (_gate)
        {
            _ended ??= exception;
            _ready.TrySetException(_ended);
            _ = _ready.Task.Exception; // observed here: nobody has to wait for it
            failed = _current;
        }

        failed?.Fail(exception);
    }

    private void OnOutput(string line)
    {
        if (line == "\0ready")
        {
            GuestCommand? lost;
            lock (_gate)
            {
                (lost, _current) = (_current, null);
                _ready.TrySetResult();
            }

            lost?.Fail(new VirtualMachineException("The guest restarted while it ran the command."));
            return;
        }

        Current?.OnLine(line, GuestCommand.Stream.Output);
    }

    private void OnError(string line) => Current?.OnLine(line, GuestCommand.Stream.Error);

    private GuestCommand? Current
    {
        get
        {
            lock (_gate)
            {
                return _current;
            }
        }
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static async Task ReadLinesAsync(NetworkStream stream, Action<string> line)
    {
        var buffer = new byte[64 << 10];
        using MemoryStream pending = new();
        try
        {
            for (int length; (length = await stream.ReadAsync(buffer).ConfigureAwait(false)) > 0;)
            {
                var start = 0;
                for (int end; (end = Array.IndexOf(buffer, (byte)'\n', start, length - start)) >= 0; start = end + 1)
                {
                    pending.Write(buffer, start, end - start);
                    Flush();
                }

                pending.Write(buffer, start, length - start);
                if (pending.Length > LongestLine)
                {
                    Flush();
                }
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The VM's end is told by its process, once for all ports.
        }

        void Flush()
        {
            line(Encoding.UTF8.GetString(pending.GetBuffer().AsSpan(0, (int)pending.Length)));
            pending.SetLength(0);
        }
    }

    public void Dispose()
    {
        _output.Dispose();
        _error.Dispose();
    }
}
