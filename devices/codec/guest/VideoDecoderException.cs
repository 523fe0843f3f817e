// The device cannot decode, or does not keep to the protocol.
using Virtio.Linux;
using VirtioUser.Guest;
using VirtioUser.Protocol;

namespace VirtioUser.Codec;

/// <summary>
/// The device refused to decode, or broke the protocol. What is wrong with a stream is no exception: it comes as a
/// <see cref="DecoderOutput"/>.
/// </summary>
/// <param name="device">The device.</param>
/// <param name="operation">What was tried.</param>
/// <param name="reason">What went wrong.</param>
public sealed class VideoDecoderException(DeviceIdentity device, string operation, string reason)
    : VirtioUserException(device.ToString(), operation, Errno.None, reason);
