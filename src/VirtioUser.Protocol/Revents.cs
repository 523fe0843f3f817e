// The bits of an event's revents that do not belong to the device.
namespace VirtioUser.Protocol;

/// <summary>
/// Bits 0 to 29 of <c>revents</c> are the device's. Bit 31 alone marks the answer to a bad or failed
/// ping, bit 30 alone an event that the device sent on its own, both together a notice from the host
/// itself, whose low bits are one of the <c>Notice</c> values.
/// </summary>
public static class Revents
{
    /// <summary>The bits that a device may use.</summary>
    public const uint DeviceMask = 0x3FFF_FFFF;

    /// <summary>Bit 31: the ping was bad, or its callback failed.</summary>
    public const uint Failed = 0x8000_0000;

    /// <summary>Of an answer: the ping was interrupted, and may or may not have run.</summary>
    public const uint Interrupted = Failed | 2;

    /// <summary>Bit 30: nobody asked; the device sent this on its own.</summary>
    public const uint Unsolicited = 0x4000_0000;

    /// <summary>Both bits: the host itself has something to say about the instance.</summary>
    public const uint Notice = Failed | Unsolicited;

    /// <summary>Notice: events that the device sent on its own were dropped before this one.</summary>
    public const uint NoticeEventsLost = Notice | 1;

    /// <summary>Notice: the device failed and the instance has ended.</summary>
    public const uint NoticeInstanceEnded = Notice | 2;

    /// <summary>The answer to a ping that the device failed with a code of its own.</summary>
    /// <param name="code">0 to 2^22 - 1; bits 8 to 29 of the answer.</param>
    public static uint FailedWith(int code) => Failed | (((uint)code << 8) & DeviceMask);

    /// <summary>Whether this is an answer to a ping.</summary>
    /// <param name="revents">The value of an event message.</param>
    public static bool IsAnswer(uint revents) => (revents & Unsolicited) == 0;

    /// <summary>Whether this is a notice from the host itself.</summary>
    /// <param name="revents">The value of an event message.</param>
    public static bool IsNotice(uint revents) => (revents & Notice) == Notice;
}
