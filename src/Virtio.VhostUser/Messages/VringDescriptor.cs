// Which ring a kick, call or error descriptor is for.
namespace Virtio.VhostUser.Messages;

/// <summary>The payload of SET_VRING_KICK, _CALL and _ERR: bits 0 to 7 are the ring's index, bit 8 says that no descriptor came.</summary>
internal readonly record struct VringDescriptor(ulong Value)
{
    internal const ulong NoDescriptor = 0x100;

    internal uint Index => (uint)(Value & 0xff);

    internal bool HasDescriptor => (Value & NoDescriptor) == 0;

    internal bool IsValid => Value <= (NoDescriptor | 0xff);
}
