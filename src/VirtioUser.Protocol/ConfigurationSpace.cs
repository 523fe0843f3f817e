// What the device shows in its configuration space.
using System.Runtime.InteropServices;

namespace VirtioUser.Protocol;

/// <summary>
/// The fields that have a meaning, little-endian; the guest cannot write them. What lies behind them reads 0 (draft, "Device
/// configuration layout"; the draft has the first only).
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct ConfigurationSpace
{
    /// <summary>The length in bytes.</summary>
    public const int Size = 32;

    /// <summary>The ID space of vendor and device IDs.</summary>
    public uint EnumerationSpaceId;

    /// <summary>Never 0; another one when a host process that remembers nothing has taken over.</summary>
    public uint HostEpoch;

    /// <summary>Bit 0: instances and objects can be reclaimed after a reset. This host cannot.</summary>
    public uint HostFlags;

    /// <summary>Reserved, 0.</summary>
    public uint Reserved;

    /// <summary>Where in region 0 the driver must place its messages, in bytes; both 0 = anywhere in its own memory.</summary>
    public ulong MessagesOffset;

    /// <summary>How many bytes there are for them.</summary>
    public ulong MessagesSize;
}
