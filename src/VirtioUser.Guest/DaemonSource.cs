// Devices of a daemon on the same machine.
using Virtio.VhostUser;
using VirtioUser.Guest.Channels;
using VirtioUser.Guest.Direct;

namespace VirtioUser.Guest;

/// <summary>One connection at a time, made when it is needed, for all instances that the program opens.</summary>
internal sealed class DaemonSource : DeviceSource
{
    private readonly Lock _lock = new();
    private readonly string _socketPath;
    private readonly TimeSpan _pollTime;
    private HostConnection? _connection;
    private bool _disposed;

    /// <summary>Connects to nobody yet.</summary>
    /// <param name="socketPath">Where the daemon listens.</param>
    /// <param name="pollTime">How long a waiting thread polls at most.</param>
    /// <param name="endsWithProcess">
    /// Whether nobody is going to dispose of this: at the end of the process, pings that were sent are waited for.
    /// </param>
    public DaemonSource(string socketPath, TimeSpan pollTime, bool endsWithProcess = false)
    {
        (_socketPath, _pollTime) = (socketPath, pollTime);
        if (endsWithProcess)
        {
            AppDomain.CurrentDomain.ProcessExit += (_, _) => CloseIfFree();
        }
    }

    /// <summary>How long the daemon may take to answer a message while the connection is made.</summary>
    internal TimeSpan Patience { get; init; } = new RemoteDeviceOptions().Patience;

    internal override string WhyEmpty => $"the daemon at {_socketPath} offers no devices";

    public override IReadOnlyList<DeviceNode> List()
    {
        var nodes = Connection().Enumerate(_socketPath).Select(identity => new DeviceNode(identity, $"unix:{_socketPath}") { Source = this }).ToList();
        nodes.Sort(DeviceNode.Compare);
        return nodes;
    }

    internal override DeviceChannel Open(DeviceNode node) => Connection().Open(node.Identity);

    private protected override void Close()
    {
        lock (_lock)
        {
            CloseConnection();
        }
    }

    /// <summary>The process ends, and waits for nobody who is connecting at this moment.</summary>
    private void CloseIfFree()
    {
        if (!_lock.TryEnter())
        {
            return;
        }

        try
        {
            CloseConnection();
        }
        finally
        {
            _lock.Exit();
        }
    }

    private void CloseConnection()
    {
        _disposed = true;
        _connection?.Drain();
        _connection?.Dispose();
        _connection = null;
    }

    private HostConnection Connection()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, typeof(DeviceSource));
            if (_connection is not null && _connection.CheckIsGone())
            {
                _connection.Dispose();
                _connection = null;
            }

            return _connection ??= HostConnection.Connect(_socketPath, _pollTime, Patience);
        }
    }
}
