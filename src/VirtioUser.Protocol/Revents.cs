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

    /// <summary>Bit 31: the ping was refused, was interrupted, or its callback failed.</summary>
    public const uint Failed = 0x8000_0000;

    /// <summary>Of an answer: the host refused the ping, which did not run: no such instance, or bytes that it does not hold.</summary>
    public const uint Refused = Failed | RefusedBit;

    /// <summary>Of an answer: the ping was interrupted, and may or may not have run.</summary>
    public const uint Interrupted = Failed | InterruptedBit;

    /// <summary>Bit 0 of an answer with bit 31; see <see cref="Refused"/>.</summary>
    public const uint RefusedBit = 1;

    /// <summary>Bit 1 of an answer with bit 31; see <see cref="Interrupted"/>.</summary>
    public const uint InterruptedBit = 2;

    /// <summary>Bit 30: nobody asked; the device sent this on its own.</summary>
    public const uint Unsolicited = 0x4000_0000;

    /// <summary>Both bits: the host itself has something to say about the instance.</summary>
    public const uint Notice = Failed | Unsolicited;

    /// <summary>Notice: events that the device sent on its own were dropped before this one.</summary>
    public const uint NoticeEventsLost = Notice | 1;

    /// <summary>Notice: the device failed and the instance has ended.</summary>
    public const uint NoticeInstanceEnded = Notice | 2;

    /// <summary>Notice: pings that asked for no answer were interrupted; bits 8 to 29 say how many.</summary>
    public const uint NoticePingsInterrupted = Notice | 3;

    private const int CodeShift = 8;
    private const uint MaxCode = DeviceMask >> CodeShift;

    /// <summary>Notice 3.</summary>
    /// <param name="count">How many; at most 2^22 - 1 are told.</param>
    public static uint PingsInterrupted(int count) => NoticePingsInterrupted | (Math.Min((uint)count, MaxCode) << CodeShift);

    /// <summary>Which notice this is, whatever its bits 8 to 29 say.</summary>
    /// <param name="revents">A notice.</param>
    public static uint KindOf(uint revents) => revents & ~(MaxCode << CodeShift);

    /// <summary>Bits 8 to 29: the code of an answer with bit 31, the number of a notice.</summary>
    /// <param name="revents">The value of an event message.</param>
    public static int CodeOf(uint revents) => (int)((revents & DeviceMask) >> CodeShift);

    /// <summary>The answer to a ping that the device failed with a code of its own.</summary>
    /// <param name="code">0 to 2^22 - 1; bits 8 to 29 of the answer.</param>
    public static uint FailedWith(int code) => Failed | (((uint)code << CodeShift) & DeviceMask);

    /// <summary>Whether this is an answer to a ping.</summary>
    /// <param name="revents">The value of an event message.</param>
    public static bool IsAnswer(uint revents) => (revents & Unsolicited) == 0;

    /// <summary>Whether this is a notice from the host itself.</summary>
    /// <param name="revents">The value of an event message.</param>
    public static bool IsNotice(uint revents) => (revents & Notice) == Notice;
}
