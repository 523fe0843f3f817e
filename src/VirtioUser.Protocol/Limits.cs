// The numbers both sides agree on.
namespace VirtioUser.Protocol;

/// <summary>Sizes and bounds of the protocol.</summary>
public static class Limits
{
    /// <summary>The virtio device ID of the draft. Both sides can be told another.</summary>
    public const uint VirtioDeviceId = 21;

    /// <summary>The number of virtqueues.</summary>
    public const int QueueCount = 4;

    /// <summary>Queue 0: config requests, driver to device.</summary>
    public const int ConfigTxQueue = 0;

    /// <summary>Queue 1: config replies, device to driver.</summary>
    public const int ConfigRxQueue = 1;

    /// <summary>Queue 2: pings, driver to device.</summary>
    public const int PingQueue = 2;

    /// <summary>Queue 3: events, device to driver.</summary>
    public const int EventQueue = 3;

    /// <summary>The VIRTIO shared memory region that is the arena.</summary>
    public const byte ArenaRegionId = 0;

    /// <summary>The most devices that one message can list; an enumeration takes as many messages as it needs.</summary>
    public const int DevicesInMessage = 32;

    /// <summary>The most devices that a host can offer, each version counted. No drivers or programs take more.</summary>
    public const int MaxDevices = 4096;

    /// <summary>The most config requests of one driver that the host takes before it has answered one.</summary>
    public const int MaxRequestsInFlight = 64;

    /// <summary>Shared-memory objects begin at, and are rounded up to, multiples of this many bytes.</summary>
    public const int PageSize = 4096;

    /// <summary>Objects of at least this many bytes begin at multiples of it.</summary>
    public const int HugePageSize = 1 << 21;

    /// <summary>The largest alignment that a guest can ask for, as a power of two.</summary>
    public const int MaxAlignmentShift = 30;
}
