// The message of the ping queue.
using System.Runtime.InteropServices;

namespace VirtioUser.Protocol;

/// <summary><c>struct virtio_user_ping</c>, 44 bytes, little-endian, driver to device (draft, "Ping Virtqueue Messages").</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct PingMessage
{
    /// <summary>The message's length in bytes.</summary>
    public const int Size = 44;

    /// <summary>The instance that is pinged.</summary>
    public ulong InstanceHandle;

    /// <summary>Free for the device's own protocol.</summary>
    public ulong Metadata;

    /// <summary>The object that the ping is about; 0 names no memory.</summary>
    public ulong ShmId;

    /// <summary>The first byte, counted from the object's beginning.</summary>
    public ulong ShmOffset;

    /// <summary>How many bytes.</summary>
    public ulong ShmSize;

    /// <summary>Not 0: an answer is wanted on the event queue.</summary>
    public uint Events;
}
