// One open device: what happens when it is pinged and when it ends.
namespace VirtioUser.Devices;

/// <summary>
/// The state of one instance and its callbacks. The daemon calls the members of one instance one after
/// the other, never at the same time, but not always on the same thread; different instances run in parallel.
/// </summary>
public abstract class DeviceInstance : IDisposable
{
    /// <summary>
    /// A ping from the guest. Work on <see cref="Ping.Bytes"/> in place and return what the guest's
    /// <c>read</c> shall see, if it asked for an answer. The bytes are shared with the guest, which may
    /// change them at any time: copy what must be checked before it is used.
    /// An exception ends this instance, and only this one: the guest gets an error, the log gets a line.
    /// </summary>
    /// <param name="ping">What was sent. Valid only during the call.</param>
    /// <returns>Bits 0 to 29; higher bits are taken off.</returns>
    public abstract uint OnPing(in Ping ping);

    /// <summary>The instance ends, after its last ping: the guest closed it, went away, or a callback failed.</summary>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Gives back what the instance holds.</summary>
    /// <param name="disposing">True when called by the daemon.</param>
    protected virtual void Dispose(bool disposing)
    {
    }
}
