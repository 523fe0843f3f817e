// Puts the daemon together, runs it, and takes it apart.
using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using Virtio.Linux;
using VirtioUser.Daemon.Trying;
using VirtioUser.Host;
using VirtioUser.Host.Catalog;
using VirtioUser.Host.State;

namespace VirtioUser.Daemon;

/// <summary>The daemon from its command line to its exit code.</summary>
internal static class DaemonHost
{
    /// <summary>Runs until SIGTERM or SIGINT, until the one connection that was inherited is over, or as long as its program.</summary>
    /// <param name="options">What to do.</param>
    /// <param name="cancellation">Ends the daemon.</param>
    /// <returns>0 or the program's exit code; 1 after a message on standard error that says why it could not start.</returns>
    public static async Task<int> RunAsync(DaemonOptions options, CancellationToken cancellation)
    {
        try
        {
            // Everything that can be wrong with what was asked for shows here, before anybody can connect.
            // The arena and the state are not disposed of: a device's callback may run for longer than the daemon waits, and all
            // of this is under it. It goes with the process.
            var arena = new SharedMapping("virtio-user-arena", options.ArenaSize);
            var plugins = new PluginPlatform(arena);
            var catalog = new DeviceCatalog(options.Devices.SelectMany(path => DeviceLoader.Load(path, plugins)));
            using var socket = ServerSocket.Open(options);
            using var metrics = ShowMetrics(options);
            var state = new SharedMapping("virtio-user-state", HostState.RequiredLength);
            var host = Build(options, catalog, socket, arena, state);
            using var loggers = host.Services.GetRequiredService<ILoggerFactory>(); // its end writes the last lines
            await host.StartAsync(cancellation).ConfigureAwait(false);
            await host.WaitForShutdownAsync(cancellation).ConfigureAwait(false);
            return host.Services.GetRequiredService<BackEndService>().Failed ? 1 : host.Services.GetService<ProgramService>()?.ExitCode ?? 0;
        }
        catch (Exception e) when (e is DeviceLoadException or LinuxException or ArgumentException)
        {
            await Console.Error.WriteLineAsync($"virtio-userd: {e.Message}").ConfigureAwait(false);
            return 1;
        }
    }

    private static IHost Build(DaemonOptions options, DeviceCatalog catalog, ServerSocket socket, SharedMapping arena, SharedMapping state)
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
                console.IncludeScopes = true; // tells the instance of a device's line
                console.TimestampFormat = "HH:mm:ss.fff ";
            });
        }

        builder.Services
            .AddSystemd()
            .Configure<Microsoft.Extensions.Hosting.HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(5))
            .AddSingleton(options)
            .AddSingleton(catalog)
            .AddSingleton(socket)
            .AddSingleton(new HostState(state))
            .AddSingleton(arena)
            .AddSingleton<Host.Memory.IArenaMemory>(arena)
            .AddSingleton<QueueWaiter>()
            .AddSingleton<Host.Pings.IQueueWaiter>(services => services.GetRequiredService<QueueWaiter>())
            .AddSingleton(new Host.HostOptions { MaxPollTime = options.MaxPollTime })
            .AddSingleton<DeviceModel>()
            .AddSingleton(services => services.GetRequiredService<DeviceModel>().Counters)
            .AddSingleton<HostMetrics>()
            .AddSingleton<QueueFaults>()
            .AddSingleton<TransportState>()
            .AddSingleton<ConfigQueues>()
            .AddSingleton<ArenaView>()
            .AddSingleton<UserBackEnd>()
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

    private static MeterProvider? ShowMetrics(DaemonOptions options)
    {
        if (options.MetricsPort is not { } port)
        {
            return null;
        }

        try
        {
            return Sdk.CreateMeterProviderBuilder()
                .AddMeter(HostMetrics.MeterName)
                .AddPrometheusHttpListener(listener => (listener.Host, listener.Port, listener.ScrapeResponseCacheDurationMilliseconds) = ("127.0.0.1", port, 0))
                .Build();
        }
        catch (InvalidOperationException e) when (e.InnerException is HttpListenerException)
        {
            throw new ArgumentException($"Metrics can not be shown on port {port}: {e.InnerException.Message}.", e);
        }
    }
}
