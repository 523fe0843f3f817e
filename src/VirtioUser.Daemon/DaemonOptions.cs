// What the daemon was told to do.
namespace VirtioUser.Daemon;

/// <summary>The command line, checked.</summary>
internal sealed record DaemonOptions
{
    /// <summary>The Unix sockets to listen on; none when <see cref="Descriptor"/> is given.</summary>
    public IReadOnlyList<ListenerAddress> Listeners { get; init; } = [];

    /// <summary>An inherited descriptor: a socket that listens, or one that is connected.</summary>
    public int? Descriptor { get; init; }

    /// <summary>The assemblies and shared libraries with the devices.</summary>
    public IReadOnlyList<string> Devices { get; init; } = [];

    /// <summary>What a connection may have, where its listener has no limits of its own.</summary>
    public ConnectionLimits Limits { get; init; } = new();

    /// <summary>How many connections are served at once, of all listeners together.</summary>
    public int MaxConnections { get; init; } = 128;

    /// <summary>How long a connection may be without a running driver while another front-end waits for a place.</summary>
    public TimeSpan YieldAfter { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The virtio device ID that the hypervisor is to show.</summary>
    public uint VirtioId { get; init; } = Protocol.Limits.VirtioDeviceId;

    /// <summary>The ID space of the devices, shown in the configuration space.</summary>
    public uint EnumerationSpaceId { get; init; }

    /// <summary>The TCP port on the loopback address that shows the metrics, or null.</summary>
    public int? MetricsPort { get; init; }

    /// <summary>How long the ping queue is polled, at the most, before its thread goes to sleep.</summary>
    public TimeSpan MaxPollTime { get; init; } = TimeSpan.Zero;

    /// <summary>Whether guests are told in words why a request was refused.</summary>
    public bool GivesReasons { get; init; } = true;

    /// <summary>A program and its arguments that is run against the devices, and whose end is the daemon's; or null.</summary>
    public IReadOnlyList<string>? Program { get; init; }

    /// <summary>Whether to show requests, pings and events as they pass.</summary>
    public bool Trace { get; init; }

    /// <summary>The least level of log lines.</summary>
    public Microsoft.Extensions.Logging.LogLevel LogLevel { get; init; } = Microsoft.Extensions.Logging.LogLevel.Information;

    /// <summary>Whether log lines are JSON objects.</summary>
    public bool LogJson { get; init; }
}
