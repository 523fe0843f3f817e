// A range of guest memory.
namespace Virtio.Queues;

/// <summary>A buffer in guest memory.</summary>
/// <param name="Address">Guest-physical address of the first byte.</param>
/// <param name="Length">Length in bytes.</param>
public readonly record struct GuestBuffer(ulong Address, uint Length);
