// One ping, laid out as the driver takes it.
using System.Runtime.InteropServices;

namespace VirtioUser.Guest;

/// <summary>
/// What is sent to a device: a number, and a range of a shared-memory object or none. The layout is that of
/// <c>struct virtio_user_ping</c> in <c>virtio_user.h</c>, 40 bytes.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct PingRequest
{
    /// <summary>The structure's length in bytes.</summary>
    public const int Length = 40;

    private readonly ulong _metadata;
    private readonly ulong _shmId;
    private readonly ulong _shmOffset;
    private readonly ulong _shmSize;
    private readonly uint _events;
    private readonly uint _waitMicroseconds;

    /// <summary>A ping that names no memory.</summary>
    /// <param name="metadata">Free for the device's own protocol.</param>
    public PingRequest(ulong metadata) => _metadata = metadata;

    /// <summary>A ping about a whole object.</summary>
    /// <param name="memory">The object.</param>
    /// <param name="metadata">Free for the device's own protocol.</param>
    /// <exception cref="ObjectDisposedException">The object was freed.</exception>
    public PingRequest(SharedObject memory, ulong metadata = 0)
        : this(memory, 0, memory?.Length ?? 0, metadata)
    {
    }

    /// <summary>A ping about a part of an object.</summary>
    /// <param name="memory">The object.</param>
    /// <param name="offset">The first byte, counted from the object's beginning.</param>
    /// <param name="length">How many bytes.</param>
    /// <param name="metadata">Free for the device's own protocol.</param>
    /// <exception cref="ArgumentOutOfRangeException">The part is not inside the object.</exception>
    /// <exception cref="ObjectDisposedException">The object was freed.</exception>
    public PingRequest(SharedObject memory, ulong offset, ulong length, ulong metadata = 0)
    {
        ArgumentNullException.ThrowIfNull(memory);
        memory.ThrowIfDisposed();
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, memory.Length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, memory.Length - offset);
        (_metadata, _shmId, _shmOffset, _shmSize) = (metadata, memory.Id, offset, length);
    }

    private PingRequest(ulong metadata, ulong shmId, ulong offset, ulong length, uint events) =>
        (_metadata, _shmId, _shmOffset, _shmSize, _events) = (metadata, shmId, offset, length, events);

    /// <summary>Free for the device's own protocol.</summary>
    public ulong Metadata => _metadata;

    /// <summary>The object's ID, 0 for none.</summary>
    public ulong ShmId => _shmId;

    /// <summary>The first byte, counted from the object's beginning.</summary>
    public ulong ShmOffset => _shmOffset;

    /// <summary>How many bytes.</summary>
    public ulong ShmSize => _shmSize;

    /// <summary>
    /// What the device shall know about the answer that is wanted; the bits are the device's own. 0 by itself: the
    /// methods that wait for an answer send 1 then, and those that do not wait take nothing else.
    /// </summary>
    public uint Events
    {
        get => _events;
        init => _events = value;
    }

    /// <summary>How long the driver waits for the answer within the call that sends the ping; 0 = it does not.</summary>
    internal uint WaitMicroseconds
    {
        get => _waitMicroseconds;
        init => _waitMicroseconds = value;
    }

    /// <summary>A ping about an object of which only the ID is known. Nothing is checked here: the host does it.</summary>
    /// <param name="metadata">Free for the device's own protocol.</param>
    /// <param name="shmId">The object's ID.</param>
    /// <param name="offset">The first byte, counted from the object's beginning.</param>
    /// <param name="length">How many bytes.</param>
    /// <param name="events">See <see cref="Events"/>.</param>
    public static PingRequest Unchecked(ulong metadata, ulong shmId, ulong offset, ulong length, uint events = 0) =>
        new(metadata, shmId, offset, length, events);
}
