// The memory behind VIRTIO shared memory region 0, as the device model sees it.
using VirtioUser.Devices;

namespace VirtioUser.Host.Memory;

/// <summary>One range of memory that host and guest both see, mapped as long as anybody uses it.</summary>
public interface IArenaMemory : ISharedMemory
{
    /// <summary>Gives pages back to the host; they read as zero from then on, in the guest too.</summary>
    /// <param name="offset">Where they begin, in bytes, a multiple of 4096.</param>
    /// <param name="length">How many bytes, a multiple of 4096.</param>
    void Discard(ulong offset, ulong length);
}
