// Bytes that a device keeps for longer than a ping.
namespace VirtioUser.Host.Memory;

/// <summary>A range of an object, which is in use as long as this stands in a <see cref="HoldList"/>.</summary>
/// <param name="Shared">The object.</param>
/// <param name="PhysicalAddress">Where the range begins, as the guest sees it.</param>
/// <param name="Size">In bytes.</param>
internal readonly record struct Hold(SharedObject Shared, ulong PhysicalAddress, ulong Size);
