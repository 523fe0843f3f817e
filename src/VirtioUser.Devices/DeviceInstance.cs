// One open device: what happens when it is pinged and when it ends.
namespace VirtioUser.Devices;

/// <summary>
/// The state of one instance and its callbacks. The host calls the members of one instance one after
/// the other, never at the same time, but not always on the same thread; different instances run in parallel.
/// Override <see cref="OnPing"/> for work that is done when it returns, or <see cref="OnPingAsync"/> for work that waits for something.
/// </summary>
public abstract class DeviceInstance : IDisposable, IAsyncDisposable
{
    /// <summary>
    /// A ping from the guest. Work on <see cref="Ping.Bytes"/> in place and return what the guest's
    /// <c>read</c> shall see, if it asked for an answer. The bytes are shared with the guest, which may
    /// change them at any time: copy what must be checked before it is used.
    /// A <see cref="PingException"/> fails this ping. Any other exception ends this instance, and only this one: the guest gets an error, the
    /// log gets a line. May block: the thread is this instance's for as long as it takes.
    /// </summary>
    /// <param name="ping">What was sent. Valid only during the call.</param>
    /// <returns>Bits 0 to 29; higher bits are taken off.</returns>
    public virtual uint OnPing(in Ping ping) =>
        throw new NotSupportedException($"{GetType()} overrides neither {nameof(OnPing)} nor {nameof(OnPingAsync)}.");

    /// <summary>
    /// The same for work that waits for something: no thread is kept meanwhile, and the instance's next ping waits until the task is complete.
    /// As it stands, calls <see cref="OnPing"/>.
    /// </summary>
    /// <param name="ping">What was sent. Valid until the task is complete.</param>
    /// <param name="cancellationToken">
    /// Cancelled when the instance ends: the guest has closed it or has gone, and nobody waits for the answer. An
    /// <see cref="OperationCanceledException"/> then fails the ping as interrupted. The same token is
    /// <see cref="InstanceContext.Ending"/>, for synchronous callbacks.
    /// </param>
    /// <returns>Bits 0 to 29; higher bits are taken off.</returns>
    public virtual ValueTask<uint> OnPingAsync(AsyncPing ping, CancellationToken cancellationToken) => new(OnPing(new Ping(in ping)));

    /// <summary>The instance ends, after its last ping: the guest closed it, went away, or a callback failed.</summary>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>What the host calls when the instance ends. As it stands, the same as <see cref="Dispose()"/>; override it for an end that waits for something.</summary>
    /// <returns>Complete when the device has nothing left of the instance. What it holds of objects is valid until then.</returns>
    public virtual ValueTask DisposeAsync()
    {
        Dispose();
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    /// <summary>Gives back what the instance holds.</summary>
    /// <param name="disposing">True when called by the host.</param>
    protected virtual void Dispose(bool disposing)
    {
    }
}
