// The message of the event queue.
using System.Runtime.InteropServices;

namespace VirtioUser.Protocol;

/// <summary><c>struct virtio_user_event</c>, 12 bytes, little-endian, device to driver (draft, "Event Virtqueue Messages").</summary>
/// <param name="InstanceHandle">The instance that the event is for.</param>
/// <param name="Revents">What happened; see <see cref="Protocol.Revents"/> for the bits that are not the device's.</param>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public readonly record struct EventMessage(ulong InstanceHandle, uint Revents)
{
    /// <summary>The message's length in bytes.</summary>
    public const int Size = 12;
}
