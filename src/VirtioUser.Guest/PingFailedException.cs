// The host's answer to a ping that could not be done.
using Virtio.Linux;

namespace VirtioUser.Guest;

/// <summary>
/// A ping was not done: the answer has bit 31 set (docs/protocol.md, "Event messages"). Either the host refused it, and it did not run
/// (<see cref="IsRefused"/>): the memory that it named does not lie inside an object that this instance holds, or the instance has ended.
/// Or it was interrupted (<see cref="IsInterrupted"/>). Or the device failed it with a <see cref="Code"/> of its own, and the instance
/// goes on. Or the callback threw; then the instance has ended, and what follows fails with <see cref="Errno.EIO"/>.
/// </summary>
/// <param name="device">The device, in the form of its node's name.</param>
/// <param name="revents">The answer.</param>
/// <param name="reason">Why, in the host's words; empty if it does not say.</param>
public sealed class PingFailedException(string device, uint revents, string reason = "")
    : VirtioUserException(device, "ping", Errno.None, TextOf(revents, reason))
{
    /// <summary>The answer, with bit 31.</summary>
    public uint Revents { get; } = revents;

    /// <summary>Whether the host refused the ping: it did not run.</summary>
    public bool IsRefused => (Revents & Protocol.Revents.RefusedBit) != 0;

    /// <summary>Whether the ping was interrupted: it may or may not have run.</summary>
    public bool IsInterrupted => (Revents & Protocol.Revents.InterruptedBit) != 0;

    /// <summary>The device's own code, if it gave one; otherwise 0.</summary>
    public int Code => Protocol.Revents.CodeOf(Revents);

    private static string TextOf(uint revents, string reason)
    {
        var what = (revents & (Protocol.Revents.RefusedBit | Protocol.Revents.InterruptedBit)) switch
        {
            Protocol.Revents.InterruptedBit => "the ping was interrupted, and may or may not have run",
            0 when Protocol.Revents.CodeOf(revents) is not 0 and var code => $"the device failed the ping with code {code}",
            0 => "the device failed at the ping",
            _ => "the host refused the ping",
        };
        return $"{what} (revents 0x{revents:x8}){(reason.Length > 0 ? $": {reason}" : "")}";
    }
}
