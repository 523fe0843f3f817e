// The messages that a back-end sends on its own channel.
namespace Virtio.VhostUser;

/// <summary>Back-end message types that this library handles, with the numbers of the specification.</summary>
public enum BackEndRequest
{
    /// <summary>No request.</summary>
    None = 0,
    /// <summary>The configuration space has changed.</summary>
    ConfigChange = 2,
    /// <summary>Map a range of a file into a shared memory region.</summary>
    SharedMemoryMap = 9,
    /// <summary>Unmap a range of a shared memory region.</summary>
    SharedMemoryUnmap = 10,
}
