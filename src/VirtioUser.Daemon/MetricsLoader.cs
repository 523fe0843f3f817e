// Brings the part of the daemon that shows metrics, and what it stands on.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Loader;
using VirtioUser.Daemon.Metrics;
using VirtioUser.Host;

namespace VirtioUser.Daemon;

/// <summary>
/// Metrics are shown by ASP.NET Core. The daemon does not ask the runtime for it, so that it starts without it, and as fast; it is
/// found beside the runtime when it is wanted.
/// </summary>
internal static class MetricsLoader
{
    private const string Framework = "Microsoft.AspNetCore.App";

    /// <summary>Shows metrics from now on until the process ends.</summary>
    /// <param name="port">The port on 127.0.0.1; null shows none.</param>
    /// <exception cref="ArgumentException">ASP.NET Core is not there, or the port is in use.</exception>
    public static async Task StartAsync(int? port)
    {
        if (port is not { } number)
        {
            return;
        }

        var folder = FindFramework();
        AssemblyLoadContext.Default.Resolving += (context, name) =>
            Path.Combine(folder, name.Name + ".dll") is var path && File.Exists(path) ? context.LoadFromAssemblyPath(path) : null;
        try
        {
            await StartServerAsync(number).ConfigureAwait(false);
        }
        catch (IOException e)
        {
            throw new ArgumentException($"Metrics can not be shown on port {number}: {e.InnerException?.Message ?? e.Message}.", e);
        }
    }

    // Beside the runtime that runs, in the same version or the newest that fits.
    private static string FindFramework()
    {
        var runtime = new DirectoryInfo(RuntimeEnvironment.GetRuntimeDirectory());
        var all = Path.Combine(runtime.Parent!.Parent!.FullName, Framework);
        var wanted = Environment.Version;
        var versions = Directory.Exists(all)
            ? Directory.EnumerateDirectories(all).Select(folder => (Folder: folder, Version: VersionOf(folder)))
                .Where(found => (found.Version?.Major, found.Version?.Minor) == (wanted.Major, wanted.Minor))
            : [];
        return versions.OrderByDescending(found => found.Version == wanted).ThenByDescending(found => found.Version).FirstOrDefault().Folder
            ?? throw new ArgumentException(
                $"Metrics need the ASP.NET Core runtime {wanted.Major}.{wanted.Minor}, which is not in {all}. Install it, or leave out --metrics-port.");
    }

    private static Version? VersionOf(string folder) => Version.TryParse(Path.GetFileName(folder), out var version) ? version : null;

    // Apart, so that nothing of it is loaded before it can be found.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task StartServerAsync(int port) =>
        await MetricsServer.StartAsync(port, HostMetrics.MeterName).ConfigureAwait(false);
}
