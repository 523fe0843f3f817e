// virtio-userd as a process, with what it says and what it holds.
using System.Diagnostics;
using System.Globalization;
using VirtioUser.Daemon.Tests.Support;

namespace VirtioUser.Hostile.Tests.Rig;

/// <summary>Ends with the test process, however that ends.</summary>
internal sealed class DaemonProcess : IDisposable
{
    private const int Sigterm = 15;

    private readonly List<string> _lines = [];
    private readonly SocketFolder _folder = new();
    private readonly ManualResetEventSlim _listens = new(), _exited = new();
    private Process? _process;
    private int _exitCode;

    public DaemonProcess(IReadOnlyList<string> options)
    {
        using var started = new ManualResetEventSlim();

        // The kernel tells the child when the thread that started it ends, so the thread stays as long as the child.
        new Thread(() => Own(options, started)) { IsBackground = true, Name = "daemon process" }.Start();
        if (!started.Wait(TimeSpan.FromSeconds(60)))
        {
            throw new InvalidOperationException("The daemon does not start.");
        }

        if (!_listens.Wait(TimeSpan.FromSeconds(60)) || HasExited)
        {
            throw new InvalidOperationException($"The daemon does not listen. It said:\n{string.Join('\n', LinesFrom(0))}");
        }
    }

    public string SocketPath => _folder.SocketPath;

    public int Id { get; private set; }

    public bool HasExited => _exited.IsSet;

    public int ExitCode => _exitCode;

    public int LineCount
    {
        get
        {
            lock (_lines)
            {
                return _lines.Count;
            }
        }
    }

    public IReadOnlyList<string> LinesFrom(int first)
    {
        lock (_lines)
        {
            return [.. _lines.Skip(first)];
        }
    }

    public bool AwaitExit(TimeSpan limit) => _exited.Wait(limit);

    public void Terminate() => NativeMethods.Signal(Id, Sigterm);

    /// <summary>How many descriptors are open that are no files on disk: those the runtime opens and keeps as it likes.</summary>
    public int Descriptors
    {
        get
        {
            try
            {
                return new DirectoryInfo($"/proc/{Id}/fd").EnumerateFiles().Count(IsNoFile);
            }
            catch (IOException)
            {
                return 0;
            }
        }
    }

    public int Threads
    {
        get
        {
            try
            {
                return Directory.EnumerateDirectories($"/proc/{Id}/task").Count();
            }
            catch (IOException)
            {
                return 0;
            }
        }
    }

    /// <summary>How many descriptors and mappings there are of memory that an attacker or the peer after it made.</summary>
    public int Foreign
    {
        get
        {
            try
            {
                return File.ReadLines($"/proc/{Id}/maps").Count(IsForeign) +
                    new DirectoryInfo($"/proc/{Id}/fd").EnumerateFiles().Count(link => link.LinkTarget is { } target && IsForeign(target));
            }
            catch (IOException)
            {
                return 0;
            }
        }
    }

    /// <summary>Resident memory, shared memory with it, and page tables: what the daemon is charged for, in bytes.</summary>
    public long ChargedBytes
    {
        get
        {
            try
            {
                return 1024 * File.ReadLines($"/proc/{Id}/status")
                    .Where(line => line.StartsWith("VmRSS:", StringComparison.Ordinal) || line.StartsWith("VmPTE:", StringComparison.Ordinal))
                    .Sum(line => long.Parse(line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture));
            }
            catch (IOException)
            {
                return 0;
            }
        }
    }

    /// <summary>The threads that run or want to at this moment.</summary>
    public IReadOnlyList<string> Runnable()
    {
        List<string> runnable = [];
        try
        {
            foreach (var task in Directory.EnumerateDirectories($"/proc/{Id}/task"))
            {
                try
                {
                    var text = File.ReadAllText(Path.Combine(task, "stat"));
                    if (text[(text.LastIndexOf(')') + 2)..].StartsWith('R'))
                    {
                        runnable.Add(text[(text.IndexOf('(', StringComparison.Ordinal) + 1)..text.LastIndexOf(')')]);
                    }
                }
                catch (IOException)
                {
                    // The thread has ended.
                }
            }
        }
        catch (IOException)
        {
            // The process has ended.
        }

        return runnable;
    }

    /// <summary>Whether a thread is in a write of as many bytes as an eventfd takes (x86-64: system call 1).</summary>
    public bool IsSignalling() => Directory.EnumerateDirectories($"/proc/{Id}/task").Any(task =>
    {
        try
        {
            return File.ReadAllText(Path.Combine(task, "syscall")).Split(' ') is ["1", _, _, "0x8", ..];
        }
        catch (IOException)
        {
            return false;
        }
    });

    public void Dispose()
    {
        if (!_exited.IsSet)
        {
            NativeMethods.Signal(Id, 9);
            _exited.Wait(TimeSpan.FromSeconds(30));
        }

        _folder.Dispose();
        _process?.Dispose();
    }

    private static bool IsForeign(string text) =>
        text.Contains("/memfd:hostile", StringComparison.Ordinal) || text.Contains("/memfd:guest-ram", StringComparison.Ordinal);

    private static bool IsNoFile(FileInfo link) =>
        link.LinkTarget is { } target && (!target.StartsWith('/') || target.StartsWith("/memfd:", StringComparison.Ordinal) || target.StartsWith("/dev/", StringComparison.Ordinal));

    private void Own(IReadOnlyList<string> options, ManualResetEventSlim started)
    {
        var process = _process = new Process();
        process.StartInfo = new ProcessStartInfo(
            "setpriv", ["--pdeathsig", "KILL", "--", BuildOutput.Daemon, "--socket-path", SocketPath, .. BuildOutput.Devices.SelectMany(each => new[] { "--device", each }), .. options])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };

        // A crash must not leave cores behind.
        process.StartInfo.Environment["DOTNET_DbgEnableMiniDump"] = "0";
        process.ErrorDataReceived += (_, e) => Add(e.Data);
        process.OutputDataReceived += (_, e) => Add(e.Data);
        process.Start();
        Id = process.Id;
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
        started.Set();
        process.WaitForExit();
        _exitCode = process.ExitCode;
        _exited.Set();
        _listens.Set();
    }

    private void Add(string? line)
    {
        if (line is null)
        {
            return;
        }

        lock (_lines)
        {
            _lines.Add(line);
        }

        if (line.Contains("Listening on", StringComparison.Ordinal))
        {
            _listens.Set();
        }
    }
}
