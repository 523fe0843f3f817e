// What a device implements to be reached over vhost-user.
namespace Virtio.VhostUser;

/// <summary>
/// A virtio device behind a <see cref="BackEnd"/>. One device object serves one connection at a time.
/// </summary>
/// <remarks>
/// All members are called on the thread of <see cref="BackEnd.Run"/>, except where said otherwise, one at a time. The VM
/// stands still while most of them run, so they must be quick. An exception that one of them throws ends the connection
/// and comes out of <see cref="BackEnd.Run"/>.
/// </remarks>
public abstract class BackEndDevice
{
    /// <summary>Number of queues, 1 to 256. Constant.</summary>
    public abstract int QueueCount { get; }

    /// <summary>The device type's own features. Those of the transport are the back-end's to offer. Constant.</summary>
    public virtual VirtioFeatures Features => VirtioFeatures.None;

    /// <summary>Length of the configuration space in bytes, 0 to 256. Constant.</summary>
    public virtual int ConfigurationLength => 0;

    /// <summary>The shared memory regions; the index is the region's identifier, null = there is none. At most 256. Constant.</summary>
    public virtual IReadOnlyList<SharedMemoryRegion?> SharedMemory => [];

    /// <summary>Reads the configuration space. Asked often: once for each byte that the guest reads.</summary>
    /// <param name="destination">Cleared; as long as <see cref="ConfigurationLength"/>.</param>
    public virtual void ReadConfiguration(Span<byte> destination)
    {
    }

    /// <summary>A driver starts the device. The queues follow.</summary>
    public virtual void Started(DeviceStart start)
    {
    }

    /// <summary>A queue may be worked on, from now on until <see cref="QueueStopping"/> for its index.</summary>
    public abstract void QueueStarted(StartedQueue queue);

    /// <summary>
    /// A queue stops. When this returns, no thread uses it any more. What was taken from it must have been returned or
    /// put back, else the driver never gets it back: the queue goes on later, if at all, with the next chain.
    /// </summary>
    public abstract void QueueStopping(int index);

    /// <summary>The last queue has stopped: the driver is gone, or the VM stands still.</summary>
    public virtual void Stopped()
    {
    }

    /// <summary>
    /// Memory is about to be taken away under running queues. When this returns, no thread uses any queue or any byte of
    /// guest memory, until <see cref="MemoryChanged"/>. Not called for changes that only add memory.
    /// </summary>
    public virtual void MemoryChanging()
    {
    }

    /// <summary>Queues may be worked on again; follows every <see cref="MemoryChanging"/>.</summary>
    public virtual void MemoryChanged()
    {
    }

    /// <summary>
    /// The guest sees a shared memory region: a driver that asks now finds the memory there. Called at each start, and
    /// again if the region moves.
    /// </summary>
    /// <param name="region">The region's identifier.</param>
    /// <param name="guestAddress">Guest-physical address of its first byte.</param>
    public virtual void SharedMemoryVisible(int region, ulong guestAddress)
    {
    }

    /// <summary>The guest does not see a shared memory region any more.</summary>
    /// <param name="region">The region's identifier.</param>
    public virtual void SharedMemoryHidden(int region)
    {
    }

    /// <summary>
    /// The front-end accepted the request to map a region. One that lists the region in its memory table does so soon
    /// after (<see cref="SharedMemoryVisible"/>); others never do. Called on a thread of its own; must not throw.
    /// </summary>
    /// <param name="region">The region's identifier.</param>
    public virtual void SharedMemoryMapped(int region)
    {
    }

    /// <summary>A region could not be mapped: the guest sees nothing there until the next start. Called on any thread; must
    /// not throw.</summary>
    /// <param name="region">The region's identifier.</param>
    /// <param name="reason">What went wrong.</param>
    public virtual void SharedMemoryFailed(int region, Exception reason)
    {
    }

    /// <summary>
    /// A message of the front-end was refused, and the front-end was told so; the connection goes on. A front-end can
    /// cause any number of these.
    /// </summary>
    /// <param name="request">Which message.</param>
    /// <param name="reason">What was wrong with it.</param>
    public virtual void MessageRefused(FrontEndRequest request, VhostUserException reason)
    {
    }

    /// <summary>The connection is over; the queues have stopped. The last call of a connection.</summary>
    public virtual void Disconnected()
    {
    }
}
