// The arena of one VM: a memfd and its mapping, as the device model wants to see it.
using Virtio.Linux;
using VirtioUser.Host.Memory;

namespace VirtioUser.Daemon;

/// <summary>
/// Sealed, so that nobody who gets the descriptor can shrink it under a mapping; sparse, so that it takes memory only where it
/// was touched. Each connection has one of its own, which no other ever sees.
/// </summary>
internal sealed class SharedMapping : IArenaMemory, IDisposable
{
    private readonly Mapping _mapping;

    /// <summary>Makes zeroed memory.</summary>
    /// <param name="name">What tools show for it.</param>
    /// <param name="length">The size in bytes, a multiple of 4096.</param>
    public SharedMapping(string name, ulong length)
    {
        Descriptor = MemFd.Create(name, length, Seals.Grow | Seals.Shrink | Seals.Seal);
        try
        {
            _mapping = Mapping.Map(Descriptor, 0, length);
        }
        catch
        {
            Descriptor.Dispose();
            throw;
        }
    }

    /// <summary>The memfd. Stays this object's.</summary>
    public FileDescriptor Descriptor { get; }

    /// <summary>Where the first byte is in this process.</summary>
    public nint Address => _mapping.Address;

    /// <inheritdoc/>
    public ulong Length => _mapping.Length;

    /// <inheritdoc/>
    public Span<byte> GetSpan(ulong offset, int length) => _mapping.GetSpan(offset, length);

    /// <inheritdoc/>
    public void Discard(ulong offset, ulong length) => MemFd.PunchHole(Descriptor, offset, length);

    /// <inheritdoc/>
    public void Dispose()
    {
        _mapping.Dispose();
        Descriptor.Dispose();
    }
}
