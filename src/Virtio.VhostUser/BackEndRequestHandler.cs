// What a front-end does for its back-end.
using Virtio.Linux;

namespace Virtio.VhostUser;

/// <summary>
/// Carries out what a back-end asks for on its own channel. Called on the channel's thread, one request at a time. A
/// <see cref="LinuxException"/>, <see cref="VhostUserException"/> or <see cref="ArgumentException"/> that is thrown here
/// refuses the request.
/// </summary>
public abstract class BackEndRequestHandler
{
    /// <summary>Maps a range of a file into a shared memory region.</summary>
    /// <param name="region">The region's identifier.</param>
    /// <param name="regionOffset">First byte in the region.</param>
    /// <param name="descriptor">The file; closed after the call.</param>
    /// <param name="fileOffset">First byte in the file.</param>
    /// <param name="length">Length in bytes.</param>
    /// <param name="writable">Whether the guest may write.</param>
    public abstract void Map(int region, ulong regionOffset, FileDescriptor descriptor, ulong fileOffset, ulong length, bool writable);

    /// <summary>Unmaps a range of a shared memory region.</summary>
    /// <param name="region">The region's identifier.</param>
    /// <param name="regionOffset">First byte in the region.</param>
    /// <param name="length">Length in bytes.</param>
    public abstract void Unmap(int region, ulong regionOffset, ulong length);

    /// <summary>The device's configuration space has changed.</summary>
    public virtual void ConfigurationChanged()
    {
    }

    /// <summary>
    /// A request was carried out and answered. Now, not before, is the time to send a new memory table: the back-end
    /// has its answer, and waits for nothing here.
    /// </summary>
    public virtual void Answered(BackEndRequest request)
    {
    }
}
