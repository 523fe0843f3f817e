// What a ping callback gets.
namespace VirtioUser.Devices;

/// <summary>
/// One ping, valid during the callback only (draft: <c>(instance_handle, metadata, phys_addr, host_ptr, events) -> revents</c>).
/// <see cref="InstanceContext.TryHold(in Ping)"/> keeps its bytes for longer. The compiler sees to it that a callback does not keep it:
/// otherwise it is an <see cref="AsyncPing"/>.
/// </summary>
public readonly ref struct Ping
{
    private readonly ref readonly AsyncPing _ping;

    /// <summary>A ping for code that is done when it returns.</summary>
    /// <param name="ping">The ping.</param>
    public Ping(in AsyncPing ping) => _ping = ref ping;

    /// <inheritdoc cref="AsyncPing.Metadata"/>
    public ulong Metadata => _ping.Metadata;

    /// <inheritdoc cref="AsyncPing.Events"/>
    public uint Events => _ping.Events;

    /// <inheritdoc cref="AsyncPing.ShmId"/>
    public ulong ShmId => _ping.ShmId;

    /// <inheritdoc cref="AsyncPing.PhysicalAddress"/>
    public ulong PhysicalAddress => _ping.PhysicalAddress;

    /// <inheritdoc cref="AsyncPing.Length"/>
    public ulong Length => _ping.Length;

    /// <inheritdoc cref="AsyncPing.Bytes"/>
    public Span<byte> Bytes => _ping.Bytes;

    internal SharedRange Range => _ping.Range;

    /// <inheritdoc cref="AsyncPing.Slice"/>
    public Span<byte> Slice(ulong offset, int length) => _ping.Slice(offset, length);

    /// <summary>A part of the named bytes as a stream, for code that wants one. To be used during the callback only.</summary>
    /// <inheritdoc cref="AsyncPing.OpenStream"/>
    public Stream OpenStream(ulong offset, ulong length) => _ping.OpenStream(offset, length);
}
