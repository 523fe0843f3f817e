// A program that serves: the daemon, the back-end in C, a peer.
using System.Globalization;
using System.Text.Json.Nodes;
using VirtioUser.Vm;

namespace VirtioUser.Benchmarks.Processes;

/// <summary>A program of its own that has said "Listening on …", on a private socket; it ends with this process.</summary>
internal sealed class ServerProcess : IAsyncDisposable
{
    private const string ReadyText = "Listening on ";
    private const int LinesKept = 20;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("virtio-user-bench-");
    private readonly Queue<string> _lines = new();
    private ChildProcess? _process;

    private ServerProcess()
    {
    }

    /// <summary>The socket that it was told to listen on.</summary>
    public string SocketPath => Path.Combine(_folder.FullName, "socket");

    /// <summary>What it says that it listens on.</summary>
    public string Address { get; private set; } = "";

    /// <summary>Its process ID.</summary>
    public int Id => _process!.Id;

    /// <summary>From the start of the program to the line with which it is ready.</summary>
    public TimeSpan StartTime { get; private set; }

    /// <summary>Starts the daemon.</summary>
    /// <param name="pollTime">How long it polls before it sleeps.</param>
    /// <param name="projects">The projects with its devices.</param>
    public static Task<ServerProcess> StartDaemonAsync(TimeSpan pollTime, params IEnumerable<string> projects) => StartAsync(
        BuildOutput.PathOf("VirtioUser.Daemon", "virtio-userd"),
        path =>
        [
            $"--socket-path={path}",
            .. projects.SelectMany(project => new[] { "--device", BuildOutput.PathOf(project, $"VirtioUser.Benchmarks.{project}.dll") }),
            .. pollTime > TimeSpan.Zero ? ["--poll-us", pollTime.TotalMicroseconds.ToString("0", CultureInfo.InvariantCulture)] : (string[])[],
        ]);

    /// <summary>Starts the daemon without something that it does only to be fast.</summary>
    /// <param name="shortcut">The name of its switch.</param>
    /// <param name="project">The project with its devices.</param>
    public static async Task<ServerProcess> StartDaemonWithoutAsync(string shortcut, string project)
    {
        var daemon = BuildOutput.PathOf("VirtioUser.Daemon", "virtio-userd.dll");
        var settings = JsonNode.Parse(await File.ReadAllTextAsync(Path.ChangeExtension(daemon, ".runtimeconfig.json")))!;
        settings["runtimeOptions"]!["configProperties"]![shortcut] = false;
        return await StartAsync("dotnet", path =>
        {
            var file = $"{path}.runtimeconfig.json";
            File.WriteAllText(file, settings.ToJsonString());
            return
            [
                "exec", "--runtimeconfig", file, daemon, $"--socket-path={path}",
                "--device", BuildOutput.PathOf(project, $"VirtioUser.Benchmarks.{project}.dll"),
            ];
        });
    }

    /// <summary>Starts one of the peers of this program.</summary>
    /// <param name="kind">Which one, as Program.cs names them.</param>
    /// <param name="address">Where it listens; null for the private socket.</param>
    public static Task<ServerProcess> StartPeerAsync(string kind, string? address = null) => StartAsync(
        BuildOutput.PathOf("VirtioUser.Benchmarks", "VirtioUser.Benchmarks"), path => ["peer", kind, address ?? path]);

    /// <summary>Starts a program and returns when it listens.</summary>
    /// <param name="program">The program.</param>
    /// <param name="arguments">Its arguments, made from the path of its socket.</param>
    /// <exception cref="SetupException">It ended instead; the message holds its last lines.</exception>
    public static async Task<ServerProcess> StartAsync(string program, Func<string, IEnumerable<string>> arguments)
    {
        ServerProcess server = new();
        TaskCompletionSource<string> ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
        try
        {
            var watch = System.Diagnostics.Stopwatch.StartNew();
            server._process = await ChildProcess.StartAsync(program, arguments(server.SocketPath), new()
            {
                Error = line =>
                {
                    var at = line.IndexOf(ReadyText, StringComparison.Ordinal);
                    if (at >= 0 && !ready.Task.IsCompleted)
                    {
                        server.StartTime = watch.Elapsed;
                        ready.TrySetResult(line[(at + ReadyText.Length)..].TrimEnd('.'));
                    }

                    server.Keep(line);
                },
            });
            if (await Task.WhenAny(ready.Task, server._process.Exited) != ready.Task)
            {
                throw new SetupException($"{Path.GetFileName(program)} did not start: {server.LastLines}");
            }

            server.Address = await ready.Task;
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>The last lines that it wrote to standard error.</summary>
    public string LastLines
    {
        get
        {
            lock (_lines)
            {
                return string.Join('\n', _lines);
            }
        }
    }

    /// <summary>Bytes of memory that are in use by it and in memory, without what the shared memory holds.</summary>
    public long ResidentBytes()
    {
        // Private and file pages; the arena is a memfd and counts as shared memory, which belongs to the VM.
        var status = File.ReadLines($"/proc/{Id}/status").Select(line => line.Split((char[])[':', ' ', '\t'], StringSplitOptions.RemoveEmptyEntries))
            .ToDictionary(words => words[0]);
        return Kilobytes("RssAnon") + Kilobytes("RssFile") << 10;

        long Kilobytes(string name) => long.Parse(status[name][1], CultureInfo.InvariantCulture);
    }

    /// <summary>How many threads it has.</summary>
    public int Threads() => Directory.GetDirectories($"/proc/{Id}/task").Length;

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            await _process.DisposeAsync();
        }

        _folder.Delete(recursive: true);
    }

    private void Keep(string line)
    {
        lock (_lines)
        {
            _lines.Enqueue(line);
            if (_lines.Count > LinesKept)
            {
                _lines.Dequeue();
            }
        }
    }
}
