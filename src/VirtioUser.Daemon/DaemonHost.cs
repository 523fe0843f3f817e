// Puts the daemon together, runs it, and takes it apart.
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Virtio;
using Virtio.Linux;
using VirtioUser.Daemon.Trying;
using VirtioUser.Host;
using VirtioUser.Host.Catalog;

namespace VirtioUser.Daemon;

/// <summary>The daemon from its command line to its exit code.</summary>
internal static class DaemonHost
{
    // How long instances, and then devices, may take to end.
    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(5);

    /// <summary>Runs until SIGTERM or SIGINT, until the one connection that was inherited is over, or as long as its program.</summary>
    /// <param name="options">What to do.</param>
    /// <param name="cancellation">Ends the daemon.</param>
    /// <returns>0 or the program's exit code; 1 after a message on standard error that says why it could not start.</returns>
    public static async Task<int> RunAsync(DaemonOptions options, CancellationToken cancellation)
    {
        try
        {
            // Everything that can be wrong with what was asked for shows here, before anybody can connect.
            new SharedMapping("virtio-user-arena", options.Listeners.Select(each => each.Limits).Append(options.Limits).Max(each => each.ArenaSize)).Dispose();
            var loader = new PluginLoader();
            var catalog = new DeviceCatalog(options.Devices.SelectMany(path => DeviceLoader.Load(path, loader)));
            await RuntimeThreads.StartAsync().ConfigureAwait(false);
            using var listeners = Listeners.Open(options);
            await MetricsLoader.StartAsync(options.MetricsPort).ConfigureAwait(false);
            var host = Build(options, catalog, listeners);
            using var loggers = host.Services.GetRequiredService<ILoggerFactory>(); // its end writes the last lines
            using var metrics = new HostMetrics([.. listeners.All.Select(each => each.Totals)]);
            using var service = host.Services.GetRequiredService<BackEndService>();
            await host.StartAsync(CancellationToken.None).ConfigureAwait(false); // it is short, and what half of it started would be left
            await host.WaitForShutdownAsync(cancellation).ConfigureAwait(false);
            await EndDevicesAsync(catalog, loggers.CreateLogger(typeof(DaemonHost).FullName!)).ConfigureAwait(false);
            return service.Failed ? 1 : host.Services.GetService<ProgramService>()?.ExitCode ?? 0;
        }
        catch (Exception e) when (e is DeviceLoadException or LinuxException or ArgumentException)
        {
            StandardError.WriteLine($"virtio-userd: {e.Message}");
            return 1;
        }
    }

    private static IHost Build(DaemonOptions options, DeviceCatalog catalog, Listeners listeners)
    {
        var builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Logging.SetMinimumLevel(options.LogLevel);
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning);
        builder.Services.Configure<Microsoft.Extensions.Logging.Console.ConsoleLoggerOptions>(
            console =>
            {
                console.LogToStandardErrorThreshold = LogLevel.Trace;

                // A reader of the log that stands still must not stop a VM.
                console.QueueFullMode = Microsoft.Extensions.Logging.Console.ConsoleLoggerQueueFullMode.DropWrite;
            });
        if (options.LogJson)
        {
            builder.Logging.AddJsonConsole(console => (console.TimestampFormat, console.IncludeScopes) = ("O", true));
        }
        else
        {
            builder.Logging.AddSimpleConsole(console =>
            {
                console.SingleLine = true;
                console.IncludeScopes = true; // tells the connection, and the instance of a device's line
                console.TimestampFormat = "HH:mm:ss.fff ";
            });
        }

        builder.Services
            .AddSystemd()
            .Configure<Microsoft.Extensions.Hosting.HostOptions>(host => host.ShutdownTimeout = EndPatience)
            .AddSingleton(options)
            .AddSingleton(catalog)
            .AddSingleton(listeners)
            .AddSingleton(new Host.HostOptions { MaxPollTime = options.MaxPollTime, GivesReasons = options.GivesReasons })
            .AddSingleton<BackEndService>()
            .AddHostedService(services => services.GetRequiredService<BackEndService>());
        if (options.Trace)
        {
            builder.Services.AddSingleton(new Trace(Console.Error));
        }

        if (options.Program is not null)
        {
            builder.Services.AddSingleton<ProgramService>().AddHostedService(services => services.GetRequiredService<ProgramService>());
        }

        return builder.Build();
    }

    /// <summary>Waits for the ends of devices, as long as for those of instances.</summary>
    private static async Task EndDevicesAsync(DeviceCatalog catalog, ILogger logger)
    {
        try
        {
            await catalog.DisposeAsync().AsTask().WaitAsync(EndPatience).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            Log.DevicesEndTooLate(logger, EndPatience.TotalSeconds);
        }
#pragma warning disable CA1031 // whatever devices throw, the daemon ends
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.DevicesEndThrew(logger, e);
        }
    }
}
