// The programs in C, built by the compiler of the guest's tree: so they are built alike wherever the benchmarks run.
using System.Globalization;
using VirtioUser.Vm;

namespace VirtioUser.Benchmarks.Processes;

/// <summary>Static programs, kept in the cache by a hash of their source.</summary>
internal sealed class NativePrograms
{
    private static readonly string[] Flags = ["-static", "-pthread"];

    private static readonly Dictionary<string, string[]> Products = new()
    {
        ["floors"] = [.. Flags, "floors.c"],
        ["backend"] = [.. Flags, "backend.c", "message.c", "user_device.c"],
        ["driver"] = [.. Flags, "driver.c", "message.c"],
    };

    private readonly string _folder;

    private NativePrograms(string folder) => this._folder = folder;

    /// <summary>The program that bounces eventfds and cache lines.</summary>
    public string Floors => Path.Combine(_folder, "floors");

    /// <summary>The driver's side in C.</summary>
    public string Driver => Path.Combine(_folder, "driver");

    /// <summary>Starts the back-end in C.</summary>
    public Task<ServerProcess> StartBackEndAsync() => ServerProcess.StartAsync(Path.Combine(_folder, "backend"), path => [$"--socket-path={path}"]);

    /// <summary>Starts a driver in C that leaves callbacks hanging and call descriptors blocked, and returns when all of that is done.</summary>
    /// <param name="socketPath">Where the daemon listens.</param>
    /// <param name="count">How many of each.</param>
    /// <exception cref="SetupException">The daemon did not serve it at once.</exception>
    public Task<ServerProcess> StartHostileAsync(string socketPath, int count) =>
        ServerProcess.StartAsync(Driver, _ => ["hostile", socketPath, count.ToString(CultureInfo.InvariantCulture)]);

    /// <summary>Builds them if their source has changed.</summary>
    /// <exception cref="SetupException">They do not build without a warning, or root is needed and not there.</exception>
    public static async Task<NativePrograms> PrepareAsync(CancellationToken cancellationToken)
    {
        string[] sources = [.. Directory.EnumerateFiles(Path.Combine(ProjectFolders.Root, "benchmarks", "native")).Order(StringComparer.Ordinal)];
        return new NativePrograms(await NativeBuild.GetAsync("benchmarks", sources, Products, cancellationToken: cancellationToken));
    }
}
