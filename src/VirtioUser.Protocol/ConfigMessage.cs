// The message of the config queues, both directions.
using System.Runtime.InteropServices;

namespace VirtioUser.Protocol;

/// <summary>
/// <c>struct virtio_user_config_msg</c>, 512 bytes, little-endian: the 432 of the draft ("Config Virtqueue Messages"), a tag, and a
/// reason. The layout is the wire's; the project runs on little-endian machines only.
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public struct ConfigMessage
{
    /// <summary>The message's length in bytes.</summary>
    public const int Size = 512;

    /// <summary>Where <see cref="Tag"/> stands, in bytes.</summary>
    public const int TagOffset = 432;

    /// <summary>Which operation; a reply repeats its request's.</summary>
    public ConfigOperation Operation;

    /// <summary>How many elements of the arrays count. Of a request to enumerate: the index of the first device that is wanted.</summary>
    public uint DeviceCount;

    /// <summary>Vendor IDs.</summary>
    public IdArray Vendors;

    /// <summary>Device IDs.</summary>
    public IdArray Devices;

    /// <summary>Versions.</summary>
    public IdArray Versions;

    /// <summary>The instance, never 0.</summary>
    public ulong InstanceHandle;

    /// <summary>The shared-memory object, never 0. Of the reply to an enumeration: how many devices there are in all.</summary>
    public ulong ShmId;

    /// <summary>Where the object begins in region 0, in bytes.</summary>
    public ulong ShmOffset;

    /// <summary>The object's size in bytes.</summary>
    public ulong ShmSize;

    /// <summary>
    /// Of a request to allocate: bits 8 to 15 are the base-2 logarithm of the alignment that the guest needs, 0 = 12. All other bits, and
    /// those of other messages, are 0.
    /// </summary>
    public uint ShmFlags;

    /// <summary>Set in replies.</summary>
    public ConfigError Error;

    /// <summary>Chosen by the driver; the reply repeats it, so that replies may overtake each other.</summary>
    public ulong Tag;

    /// <summary>Set in replies: why the host refused.</summary>
    public ReasonText Reason;

    /// <summary>The device that element 0 of the three arrays names.</summary>
    public DeviceIdentity FirstDevice
    {
        readonly get => new(Vendors[0], Devices[0], Versions[0]);
        set => SetDevice(0, value);
    }

    /// <summary>Puts a device into the arrays; <see cref="DeviceCount"/> is left alone.</summary>
    /// <param name="index">0 to 31.</param>
    /// <param name="identity">The device.</param>
    public void SetDevice(int index, DeviceIdentity identity)
    {
        Vendors[index] = identity.Vendor;
        Devices[index] = identity.Device;
        Versions[index] = identity.Version;
    }

    /// <summary>Reads a message from a copy that nobody else can write to.</summary>
    /// <param name="bytes">At least <see cref="Size"/> bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">Fewer bytes.</exception>
    public static ConfigMessage Read(ReadOnlySpan<byte> bytes) => MemoryMarshal.Read<ConfigMessage>(bytes);

    /// <summary>Writes the message.</summary>
    /// <param name="bytes">At least <see cref="Size"/> bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">Fewer bytes.</exception>
    public readonly void Write(Span<byte> bytes) => MemoryMarshal.Write(bytes, in this);
}
