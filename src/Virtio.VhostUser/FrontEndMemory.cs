// A region of memory that a front-end shares with its back-end.
using Virtio.Linux;

namespace Virtio.VhostUser;

/// <summary>A region for <see cref="FrontEnd.SetMemoryTable"/>. All numbers are multiples of 4096.</summary>
/// <param name="Descriptor">The file; stays the caller's.</param>
/// <param name="FileOffset">First byte of the region in the file.</param>
/// <param name="GuestAddress">Guest-physical address of the first byte.</param>
/// <param name="UserAddress">Address of the first byte in the front-end's process, which ring addresses are given in.</param>
/// <param name="Length">Length in bytes.</param>
public readonly record struct FrontEndMemory(FileDescriptor Descriptor, ulong FileOffset, ulong GuestAddress, ulong UserAddress, ulong Length);
