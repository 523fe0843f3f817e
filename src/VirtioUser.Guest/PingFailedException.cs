// The host's answer to a ping that could not be done.
using Virtio.Linux;

namespace VirtioUser.Guest;

/// <summary>
/// The host refused a ping, or the device failed it: the answer has bit 31 set (docs/protocol.md, "Event messages"). The device has
/// failed this ping with a code of its own, in bits 8 to 29, and the instance goes on; or the memory that the ping named does not lie
/// inside an object that this instance holds; or the callback threw. In the last case the instance has ended, and what follows fails
/// with <see cref="Errno.EIO"/>.
/// </summary>
/// <param name="device">The device, in the form of its node's name.</param>
/// <param name="revents">The answer.</param>
public sealed class PingFailedException(string device, uint revents)
    : VirtioUserException(device, "ping", Errno.None, $"the host refused the ping, or the device failed at it (revents 0x{revents:x8})")
{
    /// <summary>The answer, with bit 31.</summary>
    public uint Revents { get; } = revents;
}
