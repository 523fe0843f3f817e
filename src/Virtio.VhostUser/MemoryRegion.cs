// One mapped region of the guest's memory.
using Virtio.Linux;
using Virtio.VhostUser.Messages;

namespace Virtio.VhostUser;

/// <summary>A region of a <see cref="MemoryTable"/>.</summary>
/// <param name="Layout">Where it is: in the guest, in the front-end's process, in the file.</param>
/// <param name="File">Which file it shows.</param>
/// <param name="Mapping">The bytes. May be shared with other regions that show the same part of the file.</param>
internal sealed record MemoryRegion(MemoryRegionMessage Layout, FileIdentity File, Mapping Mapping);
