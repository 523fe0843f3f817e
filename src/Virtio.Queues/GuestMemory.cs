// The memory in which rings and buffers live.
namespace Virtio.Queues;

/// <summary>
/// The memory that a driver and a device share, by guest-physical address. Where it really is (a guest's RAM, a shared
/// region, an array) is the business of whoever implements it.
/// </summary>
public abstract class GuestMemory
{
    /// <summary>
    /// Finds the bytes of a range. Must not throw, whatever the range: addresses come from the other, untrusted side.
    /// Called on the fast path, on any thread; should allocate nothing.
    /// </summary>
    /// <param name="address">Guest-physical address of the first byte.</param>
    /// <param name="length">Length in bytes.</param>
    /// <param name="span">The bytes, live: the other side may change them at any time.</param>
    /// <returns>Whether all of the range is memory, and contiguous here.</returns>
    public abstract bool TryGetSpan(ulong address, uint length, out Span<byte> span);
}
