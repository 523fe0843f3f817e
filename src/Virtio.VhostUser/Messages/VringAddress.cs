// Where a ring is.
using System.Runtime.InteropServices;

namespace Virtio.VhostUser.Messages;

/// <summary>
/// <c>u32 index, u32 flags, u64 descriptor, u64 used, u64 available, u64 log</c>; addresses are those of the front-end's
/// own process, to be looked up in the memory table. Bit 0 of the flags asks for logging.
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct VringAddress(uint Index, uint Flags, ulong Descriptor, ulong Used, ulong Available, ulong Log);
