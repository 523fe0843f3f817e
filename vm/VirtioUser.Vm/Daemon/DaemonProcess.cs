using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace VirtioUser.Vm;

/// <summary>A virtio-userd of its own, on a private socket, that ends with this process.</summary>
/// <remarks>All members may be used from any thread.</remarks>
public sealed class DaemonProcess : IAsyncDisposable
{
    // The line that the daemon writes when front-ends can connect.
    private const string ReadyLine = "Listening on ";

    private readonly DirectoryInfo _folder = SocketFolder.Create("virtio-userd-");
    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false }); // of this machine alone
    private readonly Tail _lines = new(20);
    private readonly int _metricsPort;
    private ChildProcess? _process;

    private DaemonProcess(int metricsPort) => this._metricsPort = metricsPort;

    /// <summary>The socket that it listens on.</summary>
    public string SocketPath => Path.Combine(_folder.FullName, "socket");

    /// <summary>Its process ID.</summary>
    public int ProcessId => _process?.Id ?? 0;

    /// <summary>The last lines of its log.</summary>
    public string LogTail => _lines.ToString();

    /// <summary>Starts a daemon and returns when front-ends can connect.</summary>
    /// <param name="devices">The device assemblies.</param>
    /// <param name="arguments">More arguments.</param>
    /// <param name="log">Called for each line of its log, one at a time.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="SetupException">It did not start; the message says why.</exception>
    public static async Task<DaemonProcess> StartAsync(
        IEnumerable<string> devices, IEnumerable<string>? arguments = null, Action<string>? log = null, CancellationToken cancellationToken = default)
    {
        DaemonProcess daemon = new(FreePort());
        TaskCompletionSource ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
        try
        {
            daemon._process = await ChildProcess.StartAsync(
                BuildOutput.PathOf("VirtioUser.Daemon", "virtio-userd"),
                [
                    $"--socket-path={daemon.SocketPath}",
                    .. devices.SelectMany(device => new[] { "--device", device }),
                    "--metrics-port", daemon._metricsPort.ToString(CultureInfo.InvariantCulture),
                    .. arguments ?? [],
                ],
                new ChildProcess.Options
                {
                    Error = line =>
                    {
                        daemon._lines.Add(line);
                        log?.Invoke(line);
                        if (line.Contains(ReadyLine, StringComparison.Ordinal))
                        {
                            ready.TrySetResult();
                        }
                    },
                }).ConfigureAwait(false);
            var first = await Task.WhenAny(ready.Task, daemon._process.Exited).WaitAsync(cancellationToken).ConfigureAwait(false);
            return first == ready.Task ? daemon : throw new SetupException($"virtio-userd did not start: {daemon.LogTail}");
        }
        catch
        {
            await daemon.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Reads one of its metrics.</summary>
    /// <param name="name">The name as Prometheus shows it, for instance <c>virtio_user_instances</c>.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="ArgumentException">There is no such metric.</exception>
    /// <exception cref="HttpRequestException">The daemon cannot be asked: the loopback network is down, for instance.</exception>
    public async Task<long> ReadMetricAsync(string name, CancellationToken cancellationToken = default)
    {
        var text = await _http.GetStringAsync(new Uri($"http://127.0.0.1:{_metricsPort}/metrics"), cancellationToken).ConfigureAwait(false);
        foreach (var line in text.Split('\n'))
        {
            if (line.StartsWith(name, StringComparison.Ordinal) && line[name.Length] is '{' or ' ')
            {
                return (long)double.Parse(line[(line.LastIndexOf('}') + 1)..].Split(' ')[1], CultureInfo.InvariantCulture);
            }
        }

        throw new ArgumentException($"The daemon shows no metric {name}.", nameof(name));
    }

    /// <summary>Asks the daemon to end (SIGTERM).</summary>
    /// <returns>Its exit code.</returns>
    public Task<int> StopAsync() => _process!.StopAsync(TimeSpan.FromSeconds(10));

    /// <summary>Ends the daemon and removes its folder.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            await _process.DisposeAsync().ConfigureAwait(false);
        }

        _http.Dispose();
        _folder.Delete(recursive: true);
    }

    private static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
