// A ring and a number: size, base, enabled.
using System.Runtime.InteropServices;

namespace Virtio.VhostUser.Messages;

/// <summary><c>u32 index, u32 num</c></summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct VringState(uint Index, uint Number);
