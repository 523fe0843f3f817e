// The driver's ioctls: driver/linux/uapi/virtio_user.h in C#.
using System.Runtime.InteropServices;

namespace VirtioUser.Guest.Channels;

/// <summary>Request numbers: direction, size of the structure, magic 0xBE, number.</summary>
internal static class DriverInterface
{
    public const uint Ping = (Read | Write | (PingRequest.Length << 16)) | Magic;
    public const uint Allocate = (Read | Write | (ObjectArgument.Size << 16)) | Magic | 1;
    public const uint Free = (Write | (ObjectArgument.Size << 16)) | Magic | 2;
    public const uint Export = (Write | (ObjectArgument.Size << 16)) | Magic | 3;
    public const uint Import = (Read | Write | (ObjectArgument.Size << 16)) | Magic | 4;

    /// <summary>The longest wait of a ping for its answer, in microseconds.</summary>
    public const uint LongestWait = 1_000_000;

    private const uint Write = 1u << 30;
    private const uint Read = 2u << 30;
    private const uint Magic = 0xBEu << 8;
}

/// <summary><c>struct virtio_user_shm</c>, 32 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ObjectArgument
{
    public const int Size = 32;

    public ulong Id;
    public ulong Offset;
    public ulong Length;
    public uint Flags;
    public uint Reserved;
}
