// What a ping callback gets.
namespace VirtioUser.Devices;

/// <summary>
/// One ping, valid during the callback only (draft: <c>(instance_handle, metadata, phys_addr, host_ptr, events) -> revents</c>).
/// <see cref="InstanceContext.TryHold(in Ping)"/> keeps its bytes for longer.
/// </summary>
public readonly ref struct Ping
{
    private readonly SharedRange _range;

    /// <summary>Made by the host for each callback.</summary>
    /// <param name="metadata">The number that the guest sent along.</param>
    /// <param name="events">Not 0 if the guest waits for an answer.</param>
    /// <param name="shmId">The object named, or 0.</param>
    /// <param name="physicalAddress">Where the guest sees the first byte.</param>
    /// <param name="range">The bytes named.</param>
    public Ping(ulong metadata, uint events, ulong shmId, ulong physicalAddress, SharedRange range)
    {
        Metadata = metadata;
        Events = events;
        ShmId = shmId;
        PhysicalAddress = physicalAddress;
        _range = range;
    }

    /// <summary>The same ping, for code that is done when it returns.</summary>
    /// <param name="ping">The ping.</param>
    public Ping(in AsyncPing ping)
        : this(ping.Metadata, ping.Events, ping.ShmId, ping.PhysicalAddress, ping.Range)
    {
    }

    /// <summary>Free for the device's own protocol.</summary>
    public ulong Metadata { get; }

    /// <summary>Not 0 if the guest asked for an answer; the bits are the device's own.</summary>
    public uint Events { get; }

    /// <summary>The shared-memory object that the ping is about, or 0 for none.</summary>
    public ulong ShmId { get; }

    /// <summary>The guest-physical address of the first byte, 0 without memory. Only a number here.</summary>
    public ulong PhysicalAddress { get; }

    /// <summary>How many bytes of shared memory the ping names; 0 without memory.</summary>
    public ulong Length => _range.Length;

    internal SharedRange Range => _range;

    /// <summary>The named bytes, shared with the guest: what is written is seen there at once. Empty without memory.</summary>
    /// <exception cref="OverflowException">More than 2 GiB - 1 bytes were named: take them with <see cref="Slice"/> or <see cref="OpenStream"/>.</exception>
    public Span<byte> Bytes => _range.All;

    /// <summary>A part of the named bytes, for pings over 2 GiB.</summary>
    /// <param name="offset">Where the part begins, in bytes.</param>
    /// <param name="length">Its length in bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The part is not inside the named bytes.</exception>
    public Span<byte> Slice(ulong offset, int length) => _range.Slice(offset, length);

    /// <summary>A part of the named bytes as a stream, for code that wants one. To be used during the callback only.</summary>
    /// <param name="offset">Where the part begins, in bytes.</param>
    /// <param name="length">Its length in bytes, which the stream cannot exceed: writing more is a <see cref="NotSupportedException"/>, and writes nothing.</param>
    /// <exception cref="ArgumentOutOfRangeException">The part is not inside the named bytes.</exception>
    public Stream OpenStream(ulong offset, ulong length) => new SharedRangeStream(_range.Part(offset, length));
}
