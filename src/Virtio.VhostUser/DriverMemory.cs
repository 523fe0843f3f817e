// The memory of a driver that has no guest around it.
using Virtio.Linux;
using Virtio.Queues;

namespace Virtio.VhostUser;

/// <summary>
/// A sealed memfd as "guest memory": rings and buffers are taken from it, and the back-end maps it. Taking is for one
/// thread at a time, the rest for any.
/// </summary>
public sealed class DriverMemory : GuestMemory, IDisposable
{
    /// <summary>What <see cref="Allocate"/> aligns to, in bytes: enough for every part of a queue.</summary>
    public const uint Alignment = 64;

    // As on a real machine, nothing is at address 0.
    private const ulong FirstAddress = 1UL << 20;

    private readonly FileDescriptor _file;
    private readonly Mapping _mapping;
    private readonly uint _length;
    private ulong _taken;

    /// <summary>Makes the memory; all of it reads zero.</summary>
    /// <param name="length">Length in bytes, a multiple of 4096, at most 1 GiB.</param>
    /// <exception cref="LinuxException">There is no memory or descriptor left.</exception>
    internal DriverMemory(uint length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, 1u << 30);
        _length = length;
        _file = MemFd.Create("virtio-driver", length, Seals.Grow | Seals.Shrink | Seals.Seal);
        try
        {
            _mapping = Mapping.Map(_file, 0, length);
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    /// <summary>The entry of the memory table.</summary>
    internal FrontEndMemory Region => new(_file, 0, FirstAddress, (ulong)_mapping.Address, _length);

    /// <summary>Takes a buffer. It is free again when the device is stopped.</summary>
    /// <param name="length">Length in bytes.</param>
    /// <returns>The buffer, aligned to <see cref="Alignment"/>. What it holds is not cleared.</returns>
    /// <exception cref="InvalidOperationException">All of <see cref="RemoteDeviceOptions.MemoryLength"/> is taken.</exception>
    public GuestBuffer Allocate(uint length)
    {
        ulong start = _taken, end = (start + length + Alignment - 1) / Alignment * Alignment;
        if (end > _length)
        {
            throw new InvalidOperationException($"{length} bytes are not left of the {_length} bytes for rings and buffers.");
        }

        _taken = end;
        return new GuestBuffer(FirstAddress + start, length);
    }

    /// <summary>The bytes of a buffer.</summary>
    /// <exception cref="ArgumentException">It is not inside this memory.</exception>
    public Span<byte> GetSpan(GuestBuffer buffer) =>
        TryGetSpan(buffer.Address, buffer.Length, out var span) ? span : throw new ArgumentException("The buffer is not inside this memory.", nameof(buffer));

    /// <inheritdoc/>
    public override bool TryGetSpan(ulong address, uint length, out Span<byte> span)
    {
        if (!Bounds.Contains(FirstAddress, _length, address, length, out var offset))
        {
            span = default;
            return false;
        }
        span = _mapping.GetSpan(offset, (int)length);
        return true;
    }

    /// <summary>A queue's layout in the addresses of this process, which is what vhost-user wants.</summary>
    internal QueueLayout ToUserAddresses(QueueLayout layout)
    {
        var difference = (ulong)_mapping.Address - FirstAddress;
        return layout with
        {
            DescriptorTable = layout.DescriptorTable + difference,
            AvailableRing = layout.AvailableRing + difference,
            UsedRing = layout.UsedRing + difference,
        };
    }

    /// <summary>Everything that was taken is free again.</summary>
    internal void Reset() => _taken = 0;

    /// <summary>Unmaps. No span may be in use any more.</summary>
    public void Dispose()
    {
        _mapping.Dispose();
        _file.Dispose();
    }
}
