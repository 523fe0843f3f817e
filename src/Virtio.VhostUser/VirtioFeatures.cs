// The virtio feature bits that concern the transport.
namespace Virtio.VhostUser;

/// <summary>
/// Virtio feature bits (virtio 1.2, section 6), and the one that vhost-user adds. Bits 0 to 23 and from 50 are the
/// device type's own; a device casts its own bits to this.
/// </summary>
[Flags]
public enum VirtioFeatures : ulong
{
    /// <summary>None.</summary>
    None = 0,
    /// <summary>Indirect descriptors.</summary>
    IndirectDescriptors = 1UL << 28,
    /// <summary>Event indexes, to notify less.</summary>
    EventIndex = 1UL << 29,
    /// <summary>Protocol features can be negotiated (<c>VHOST_USER_F_PROTOCOL_FEATURES</c>); the driver never sees this one.</summary>
    ProtocolFeatures = 1UL << 30,
    /// <summary>The modern virtio of version 1.0 and later.</summary>
    Version1 = 1UL << 32,
}
