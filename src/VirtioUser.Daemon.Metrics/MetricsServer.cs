// The metrics on an HTTP port of this machine.
using System.Diagnostics.Metrics;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Prometheus;

namespace VirtioUser.Daemon.Metrics;

/// <summary>
/// Shows what a meter of <see cref="System.Diagnostics.Metrics"/> measures at <c>/metrics</c>, in Prometheus' text form, on the
/// loopback address only and under any name: a tunnel or a proxy may ask.
/// </summary>
public sealed class MetricsServer : IAsyncDisposable
{
    // Whoever asks is on this machine, and may be anybody.
    private const int MaxConnections = 16;

    private readonly MeterListener _listener = new();
    private readonly WebApplication _application;

    private MetricsServer(int port, string meter)
    {
        var registry = Prometheus.Metrics.NewCustomRegistry();
        var factory = Prometheus.Metrics.WithCustomRegistry(registry);
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == meter)
            {
                listener.EnableMeasurementEvents(instrument, new ShownInstrument(factory, instrument, NameOf(instrument)));
            }
        };
        _listener.SetMeasurementEventCallback<long>(Show);
        _listener.Start();
        registry.AddBeforeCollectCallback(_listener.RecordObservableInstruments);

        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, port);
            kestrel.Limits.MaxConcurrentConnections = MaxConnections;
        });
        _application = builder.Build();
        _application.UseMetricServer("/metrics", registry);
    }

    /// <summary>Begins to show a meter, one that is there or one that is made later.</summary>
    /// <param name="port">The TCP port on 127.0.0.1.</param>
    /// <param name="meter">The meter's name; its instruments are observable ones of 64-bit integers.</param>
    /// <exception cref="IOException">The port is in use.</exception>
    public static async Task<MetricsServer> StartAsync(int port, string meter)
    {
        var server = new MetricsServer(port, meter);
        try
        {
            await server._application.StartAsync().ConfigureAwait(false);
            return server;
        }
        catch
        {
            await server.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        await _application.DisposeAsync().ConfigureAwait(false);
    }

    // As OpenTelemetry names them for Prometheus: with the unit, once.
    private static string NameOf(Instrument instrument)
    {
        var name = instrument.Name.Replace('.', '_');
        return instrument.Unit == "By" && !name.EndsWith("_bytes", StringComparison.Ordinal) ? name + "_bytes" : name;
    }

    private static void Show(Instrument instrument, long value, ReadOnlySpan<KeyValuePair<string, object?>> tags, object? shown) =>
        ((ShownInstrument)shown!).Set(value, tags);
}
