// A socket on which front-ends come.
using Virtio.Linux;
using VirtioUser.Host;

namespace VirtioUser.Daemon;

/// <summary>A socket that listens, or one connection that was inherited, with the name of both.</summary>
/// <param name="name">The name in the log and in the metrics.</param>
/// <param name="address">For messages: where it listens.</param>
/// <param name="socket">The socket; owned.</param>
/// <param name="hasTag">Whether metrics show the name.</param>
/// <param name="limits">What each of its connections may have.</param>
internal sealed class Listener(string name, string address, UnixSocket socket, bool hasTag, ConnectionLimits limits) : IDisposable
{
    /// <summary>The name; unique in the process.</summary>
    public string Name { get; } = name;

    /// <summary>Where it listens.</summary>
    public string Address { get; } = address;

    /// <summary>The socket.</summary>
    public UnixSocket Socket { get; } = socket;

    /// <summary>What each of its connections may have.</summary>
    public ConnectionLimits Limits { get; } = limits;

    /// <summary>What its connections have counted.</summary>
    public HostTotals Totals { get; } = new(hasTag ? name : null);

    /// <inheritdoc/>
    public void Dispose() => Socket.Dispose();
}
