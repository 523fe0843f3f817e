// Who a connection is, for the log.
using System.Collections;
using Virtio.Linux;

namespace VirtioUser.Daemon;

/// <summary>
/// The listener's name, a number and the peer's credentials. As the scope of log lines it is five properties, and one short text for
/// people.
/// </summary>
/// <param name="listener">The listener's name.</param>
/// <param name="number">Counts connections of all listeners from 1 on.</param>
/// <param name="peer">Who connected; null if the kernel does not say.</param>
internal sealed class SessionIdentity(string listener, long number, PeerCredentials? peer) : IReadOnlyList<KeyValuePair<string, object?>>
{
    private readonly KeyValuePair<string, object?>[] _properties =
    [
        new("Connection", number), new("Listener", listener),
        .. peer is { } known
            ? new KeyValuePair<string, object?>[] { new("PeerProcess", known.ProcessId), new("PeerUser", known.UserId), new("PeerGroup", known.GroupId) }
            : [],
    ];

    private readonly string _text = peer is { } known
        ? $"{listener} {number} (pid {known.ProcessId}, uid {known.UserId}, gid {known.GroupId})"
        : $"{listener} {number}";

    /// <inheritdoc/>
    public int Count => _properties.Length;

    /// <inheritdoc/>
    public KeyValuePair<string, object?> this[int index] => _properties[index];

    /// <summary>Asks the kernel about a connection.</summary>
    public static SessionIdentity Of(Listener listener, long number, UnixSocket connection)
    {
        try
        {
            return new SessionIdentity(listener.Name, number, connection.PeerCredentials);
        }
        catch (LinuxException)
        {
            return new SessionIdentity(listener.Name, number, null);
        }
    }

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<string, object?>> GetEnumerator() => _properties.AsEnumerable().GetEnumerator();

    /// <inheritdoc/>
    public override string ToString() => _text;

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
