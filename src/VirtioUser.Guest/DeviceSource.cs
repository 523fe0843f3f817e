// Where a program finds its devices.
using System.Globalization;
using Virtio.Linux;
using VirtioUser.Guest.Channels;

namespace VirtioUser.Guest;

/// <summary>
/// A way to devices: the guest driver's, or straight through the socket of a daemon on the same machine, without a VM.
/// What a program does with a device is the same both ways. All members may be called from any thread.
/// </summary>
public abstract class DeviceSource : IDisposable
{
    /// <summary>
    /// The environment variable that says where devices are: not set or empty = <see cref="Driver"/>,
    /// <c>unix:PATH</c> = the daemon that listens on this socket.
    /// </summary>
    public const string EnvironmentVariable = "VIRTIO_USER";

    /// <summary>
    /// The environment variable that says how many microseconds a thread polls at most before it sleeps, where
    /// <see cref="EnvironmentVariable"/> names a daemon; not set = 0. See <see cref="Daemon"/>.
    /// </summary>
    public const string PollTimeEnvironmentVariable = "VIRTIO_USER_POLL_US";

    private const string SocketPrefix = "unix:";

    private static readonly Lazy<DeviceSource> LazyDefault = new(FromEnvironment);

    private protected DeviceSource()
    {
    }

    /// <summary>What <see cref="EnvironmentVariable"/> says; read once. Lives as long as the process.</summary>
    /// <exception cref="VirtioUserException">A variable has a value that means nothing (<see cref="Errno.EINVAL"/>).</exception>
    public static DeviceSource Default => LazyDefault.Value;

    /// <summary>The guest driver: device nodes in <see cref="DeviceNode.Directory"/>.</summary>
    public static DeviceSource Driver { get; } = new DriverSource();

    /// <summary>A daemon on this machine. Connects when it is first used, and again when the daemon has come back.</summary>
    /// <param name="socketPath">The socket on which it listens. One that serves as many as it may already answers nobody else.</param>
    /// <param name="pollTime">
    /// How long a thread that waits for an answer polls at most before it sleeps; it learns where that pays, and now and
    /// then tries up to eight times as long, 1 ms at most. Zero: never.
    /// </param>
    /// <returns>The source; the caller owns it, and disposes of it when no device is in use any more.</returns>
    public static DeviceSource Daemon(string socketPath, TimeSpan pollTime = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(socketPath);
        return new DaemonSource(socketPath, pollTime);
    }

    /// <summary>Lists the devices, in the order of their identities.</summary>
    /// <exception cref="VirtioUserException">There is no daemon, or it does not answer.</exception>
    public abstract IReadOnlyList<DeviceNode> List();

    /// <summary>Ends the connection, if there is one. Instances that are still open fail with <see cref="Errno.ENODEV"/>.</summary>
    public void Dispose()
    {
        Close();
        GC.SuppressFinalize(this);
    }

    /// <summary>What to say where <see cref="List"/> is empty.</summary>
    internal abstract string WhyEmpty { get; }

    /// <summary>Has an instance made.</summary>
    internal abstract DeviceChannel Open(DeviceNode node);

    /// <summary>Ends the connection, if there is one.</summary>
    private protected abstract void Close();

    private static DeviceSource FromEnvironment()
    {
        var value = Environment.GetEnvironmentVariable(EnvironmentVariable);
        if (string.IsNullOrEmpty(value))
        {
            return Driver;
        }

        if (!value.StartsWith(SocketPrefix, StringComparison.Ordinal) || value.Length == SocketPrefix.Length)
        {
            throw new VirtioUserException(value, "open", Errno.EINVAL, $"{EnvironmentVariable} is neither empty nor {SocketPrefix}PATH");
        }

        return new DaemonSource(value[SocketPrefix.Length..], PollTimeFromEnvironment(), endsWithProcess: true);
    }

    private static TimeSpan PollTimeFromEnvironment()
    {
        var value = Environment.GetEnvironmentVariable(PollTimeEnvironmentVariable);
        if (string.IsNullOrEmpty(value))
        {
            return TimeSpan.Zero;
        }

        return uint.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var microseconds)
            ? TimeSpan.FromMicroseconds(microseconds)
            : throw new VirtioUserException(value, "open", Errno.EINVAL, $"{PollTimeEnvironmentVariable} is not a number of microseconds");
    }
}
