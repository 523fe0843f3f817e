using System.Globalization;
using System.Text.Json.Nodes;
using System.Threading.Channels;

namespace VirtioUser.Vm;

/// <summary>
/// A running stock VM that takes commands. It ends when it is disposed, when the guest powers off, and when this
/// process ends. All members may be used from any thread.
/// </summary>
public sealed class VirtualMachine : IAsyncDisposable
{
    private readonly VirtualMachineOptions _options;
    private readonly SocketFolder _sockets = new();
    private readonly GuestConsole _console;
    private readonly Tail _qemuErrors = new(20);
    private readonly CancellationTokenSource _ending = new();
    private readonly Channel<GuestCommandPort> _free = Channel.CreateUnbounded<GuestCommandPort>();
    private readonly List<GuestCommandPort> _ports = [];
    private readonly SemaphoreSlim _killing = new(1, 1);
    private ChildProcess? _process;
    private QmpClient? _qmp;
    private Task _watching = Task.CompletedTask;
    private volatile bool _endExpected;

    private VirtualMachine(VirtualMachineOptions options)
    {
        this._options = options;
        _console = new GuestConsole(options);
    }

    /// <summary>QEMU's monitor, for what the VM has no method for.</summary>
    public QmpClient Qmp => _qmp ?? throw new InvalidOperationException("The VM has not been started.");

    /// <summary>QEMU's process ID.</summary>
    public int ProcessId => _process?.Id ?? 0;

    /// <summary>The lines in which the guest's kernel complained: warnings with a stack trace, oopses, hung tasks, panics.</summary>
    public IReadOnlyList<string> KernelComplaints => _console.KernelComplaints;

    /// <summary>The last lines of the guest's console.</summary>
    public string ConsoleTail => _console.Tail;

    /// <summary>Boots a VM and returns when it takes commands.</summary>
    /// <exception cref="VirtualMachineException">It did not come up; the message holds what QEMU and the console said last.</exception>
    /// <exception cref="SetupException">A shared folder is not there, or QEMU can not be run.</exception>
    public static async Task<VirtualMachine> StartAsync(GuestImage image, VirtualMachineOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentNullException.ThrowIfNull(options);
        var machine = new VirtualMachine(options);
        try
        {
            await machine.BootAsync(image, cancellationToken).ConfigureAwait(false);
            return machine;
        }
        catch
        {
            await machine.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private async Task BootAsync(GuestImage image, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _ending.Token);
        limit.CancelAfter(_options.BootTimeout);
        try
        {
            _sockets.Listen("qmp");
            for (var pair = 0; pair <= _options.ParallelCommands; pair++)
            {
                _sockets.Listen(GuestCommandPort.OutputSocket(pair));
                _sockets.Listen(GuestCommandPort.ErrorSocket(pair));
            }

            _process = await ChildProcess.StartAsync(image.Qemu.Program, QemuCommandLine.Build(image, _options, _sockets), new()
            {
                Output = _console.OnLine,
                Error = _qemuErrors.Add,
                Environment = image.Qemu.Environment,
                SignalWithParent = "KILL",
            }).ConfigureAwait(false);
            _watching = WatchAsync(_process);
            _console.Report(BootStage.Kernel);
            _qmp = await QmpClient.StartAsync(await _sockets.AcceptAsync("qmp", limit.Token).ConfigureAwait(false), limit.Token).ConfigureAwait(false);
            for (var pair = 0; pair <= _options.ParallelCommands; pair++)
            {
                _ports.Add(new GuestCommandPort(
                    await _sockets.AcceptAsync(GuestCommandPort.OutputSocket(pair), limit.Token).ConfigureAwait(false),
                    await _sockets.AcceptAsync(GuestCommandPort.ErrorSocket(pair), limit.Token).ConfigureAwait(false)));
            }

            await AllReadyAsync(limit.Token).ConfigureAwait(false);
            foreach (var port in _ports.Skip(1)) // the first one is kept for signals
            {
                _free.Writer.TryWrite(port);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw _ending.IsCancellationRequested ? await EndedAsync().ConfigureAwait(false) : GivenUp("was not up");
        }
    }

    /// <summary>Runs a program in the guest to its end.</summary>
    /// <param name="arguments">Program and arguments.</param>
    /// <param name="output">Called for each line of standard output, as it comes.</param>
    /// <param name="error">Called for each line of standard error, as it comes; never at the same time as <paramref name="output"/>.</param>
    /// <param name="cancellationToken">Kills the command.</param>
    /// <returns>Exit code and output; a command that fails is no exception.</returns>
    /// <exception cref="VirtualMachineException">The VM ended or restarted before the command did.</exception>
    public Task<GuestCommandResult> RunAsync(
        IEnumerable<string> arguments, Action<string>? output = null, Action<string>? error = null, CancellationToken cancellationToken = default) =>
        WaitForAsync(StartCommandAsync(arguments, output, error, cancellationToken), cancellationToken);

    /// <summary>Runs a script, in the language of sh, in the guest to its end; otherwise the same.</summary>
    public Task<GuestCommandResult> RunAsync(
        string script, Action<string>? output = null, Action<string>? error = null, CancellationToken cancellationToken = default) =>
        RunAsync(["sh", "-c", script], output, error, cancellationToken);

    private static async Task<GuestCommandResult> WaitForAsync(Task<GuestCommand> starting, CancellationToken cancellationToken) =>
        await (await starting.ConfigureAwait(false)).WaitAsync(cancellationToken).ConfigureAwait(false);

    /// <summary>
    /// Starts a program in the guest and returns as soon as it was sent. While as many as
    /// <see cref="VirtualMachineOptions.ParallelCommands"/> run, waits for one of them to end.
    /// </summary>
    /// <exception cref="VirtualMachineException">The VM has ended.</exception>
    public async Task<GuestCommand> StartCommandAsync(
        IEnumerable<string> arguments, Action<string>? output = null, Action<string>? error = null, CancellationToken cancellationToken = default)
    {
        GuestCommand command = new(ShellQuoting.Quote(arguments), output, error, SignalAsync);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _ending.Token);
        GuestCommandPort port;
        try
        {
            port = await _free.Reader.ReadAsync(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw await EndedAsync().ConfigureAwait(false);
        }

        await port.SendAsync(command).ConfigureAwait(false);
        _ = command.Exited.ContinueWith(
            _ => _free.Writer.TryWrite(port), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        return command;
    }

    private async Task SignalAsync(GuestCommand command, string signal)
    {
        var id = await command.Started.ConfigureAwait(false);
        await _killing.WaitAsync().ConfigureAwait(false);
        try
        {
            GuestCommand kill = new(
                ShellQuoting.Quote(["sh", "-c", "kill -s \"$0\" -- \"-$1\"", signal, id.ToString(CultureInfo.InvariantCulture)]), null, null, SignalAsync);
            await _ports[0].SendAsync(kill).ConfigureAwait(false);
            await kill.Exited.ConfigureAwait(false);
        }
        finally
        {
            _killing.Release();
        }
    }

    /// <summary>Loads the guest driver.</summary>
    /// <param name="parameters">Module parameters, as name=value.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="VirtualMachineException">The kernel refused it; the message holds the reason.</exception>
    public async Task LoadDriverAsync(IEnumerable<string>? parameters = null, CancellationToken cancellationToken = default)
    {
        var result = await RunAsync(
            ["insmod", GuestImage.DriverFolderInGuest + "/virtio_user.ko", .. parameters ?? []], cancellationToken: cancellationToken).ConfigureAwait(false);
        if (result.ExitCode != 0)
        {
            throw new VirtualMachineException($"The guest's kernel did not load the driver: {result.Error}{_console.Tail}");
        }
    }

    /// <summary>
    /// Lets the guest restart and returns when it takes commands again; commands that run fail. Needs
    /// <see cref="VirtualMachineOptions.MayReboot"/>.
    /// </summary>
    /// <param name="byReset">True resets the machine as its button would; false lets the guest's kernel shut down first.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    /// <exception cref="VirtualMachineException">It did not come up again.</exception>
    public async Task RebootAsync(bool byReset = false, CancellationToken cancellationToken = default)
    {
        if (!_options.MayReboot)
        {
            throw new InvalidOperationException($"The VM was started without {nameof(VirtualMachineOptions.MayReboot)}: a reboot ends it.");
        }

        foreach (var port in _ports)
        {
            port.ExpectRestart();
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _ending.Token);
        limit.CancelAfter(_options.BootTimeout);
        try
        {
            if (byReset)
            {
                await Qmp.ExecuteAsync("system_reset", cancellationToken: limit.Token).ConfigureAwait(false);
            }
            else
            {
                await _ports[0].SendAsync(new GuestCommand("/boot/busybox reboot -f", null, null, SignalAsync)).ConfigureAwait(false);
            }

            await AllReadyAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw _ending.IsCancellationRequested ? await EndedAsync().ConfigureAwait(false) : GivenUp("did not restart");
        }
    }

    /// <summary>Takes a vhost-user device out of the running VM and returns when the guest has let it go.</summary>
    /// <param name="index">Its place in <see cref="VirtualMachineOptions.Devices"/>.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    /// <exception cref="VirtualMachineException">QEMU refused.</exception>
    public async Task RemoveDeviceAsync(int index, CancellationToken cancellationToken = default)
    {
        Task deleted = Qmp.NextEventAsync("DEVICE_DELETED");
        await Qmp.ExecuteAsync("device_del", new JsonObject { ["id"] = $"vhost-user-{index}" }, cancellationToken).ConfigureAwait(false);
        await deleted.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Ends the VM at once, as pulling its plug would, and returns when QEMU has ended.</summary>
    public async Task StopAsync()
    {
        _endExpected = true;
        if (_process is null)
        {
            return;
        }

        if (_qmp is not null && !_process.Exited.IsCompleted)
        {
            try
            {
                using CancellationTokenSource patience = new(TimeSpan.FromSeconds(5));
                await _qmp.ExecuteAsync("quit", cancellationToken: patience.Token).ConfigureAwait(false);
                await _process.Exited.WaitAsync(patience.Token).ConfigureAwait(false);
            }
            catch (Exception e) when (e is VirtualMachineException or OperationCanceledException)
            {
                // It ended before it could answer, or it hangs: what follows makes sure.
            }
        }

        await _process.DisposeAsync().ConfigureAwait(false);
        await _watching.ConfigureAwait(false);
    }

    /// <summary>Ends the VM as <see cref="StopAsync"/> does, and removes its sockets.</summary>
    public async ValueTask DisposeAsync()
    {
        await StopAsync().ConfigureAwait(false);
        _ports.ForEach(port => port.Dispose());
        _qmp?.Dispose();
        _sockets.Dispose();
    }

    private Task AllReadyAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(_ports.Select(port => port.Ready)).WaitAsync(cancellationToken).ContinueWith(
            all =>
            {
                if (all.IsCompletedSuccessfully)
                {
                    _console.Report(BootStage.Ready);
                }

                return all;
            },
            CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default).Unwrap();

    // Whatever ends the VM, everybody who waits for it hears of it at once.
    private async Task WatchAsync(ChildProcess qemu)
    {
        await Task.WhenAny(qemu.Exited, _console.Panicked).ConfigureAwait(false);
        var exception = await EndedAsync().ConfigureAwait(false);
        _ports.ForEach(port => port.Fail(exception));
        await _ending.CancelAsync().ConfigureAwait(false);
    }

    private async Task<VirtualMachineException> EndedAsync()
    {
        var code = _console.Panicked.IsCompleted ? 0 : await _process!.Exited.ConfigureAwait(false);
        return new VirtualMachineException(
            _endExpected ? "The VM was stopped."
            : _console.Tail.Contains("Kernel panic", StringComparison.Ordinal) ? $"The guest's kernel panicked:\n{_console.Tail}"
            : $"The VM ended by itself; QEMU's exit code is {code}.\n{_qemuErrors}\n{_console.Tail}");
    }

    private VirtualMachineException GivenUp(string what) =>
        new($"The guest {what} within {_options.BootTimeout.TotalSeconds} s; its console ends with:\n{_qemuErrors}\n{_console.Tail}");
}
