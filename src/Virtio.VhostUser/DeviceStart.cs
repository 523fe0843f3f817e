// What a device learns when a driver starts it.
using Virtio.Queues;

namespace Virtio.VhostUser;

/// <summary>The start of a device.</summary>
/// <param name="Fresh">True for a driver that begins, not a VM that goes on: the queues whose positions are told begin at index 0.</param>
/// <param name="Features">The negotiated features, the device's own among them.</param>
/// <param name="Memory">The guest's memory. The object stays the same while the connection lives; what it shows changes.</param>
public readonly record struct DeviceStart(bool Fresh, VirtioFeatures Features, GuestMemory Memory);
