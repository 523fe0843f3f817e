// A VIRTIO shared memory region of a device.
using Virtio.Linux;

namespace Virtio.VhostUser;

/// <summary>
/// A VIRTIO shared memory region (virtio 1.2, section 2.10), all of it backed by one file. The back-end maps it into the
/// guest at each start of the device.
/// </summary>
/// <param name="Descriptor">The file, at least as large as the region: a memfd sealed against shrinking, since
/// shrinking it would end the front-end's process. Stays the device's.</param>
/// <param name="Length">Length of the region in bytes, a multiple of the page size. What front-ends accept differs.</param>
public sealed record SharedMemoryRegion(FileDescriptor Descriptor, ulong Length);
