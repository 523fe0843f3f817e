// The memory of a guest.
using Virtio.Linux;
using Virtio.Queues;
using Virtio.VhostUser;

namespace VirtioUser.Daemon.Tests.Support;

/// <summary>A memfd as guest RAM, handed out piece by piece and never taken back.</summary>
internal sealed class GuestRam : IDisposable
{
    public const ulong FirstAddress = 0x10_0000;

    // Where a hypervisor would have mapped it; only ring addresses are told in these.
    private const ulong FirstUserAddress = 0x7000_0000_0000;
    private const int Length = 16 << 20;

    private readonly FileDescriptor _file;
    private readonly Mapping _mapping;
    private ulong _taken;

    public GuestRam(bool isSealed)
    {
        _file = MemFd.Create("guest-ram", Length, isSealed ? Seals.Grow | Seals.Shrink : Seals.None);
        _mapping = Mapping.Map(_file, 0, Length);
        Memory = new ContiguousMemory(_mapping.GetMemory(0, Length), FirstAddress);
    }

    public GuestMemory Memory { get; }

    public FrontEndMemory Region => new(_file, 0, FirstAddress, FirstUserAddress, Length);

    /// <summary>All of it, for tests that put garbage everywhere.</summary>
    public Span<byte> Everything => _mapping.GetSpan(0, Length);

    /// <summary>Hands out bytes.</summary>
    /// <returns>The guest-physical address, a multiple of 16.</returns>
    public ulong Take(uint length)
    {
        var start = _taken;
        _taken += (length + 15) & ~15UL;
        return _taken <= Length ? FirstAddress + start : throw new InvalidOperationException("The guest's memory is all in use.");
    }

    /// <summary>Everything that was handed out is free again: the guest reboots.</summary>
    public void Reset() => _taken = 0;

    public Span<byte> GetSpan(GuestBuffer buffer) =>
        Memory.TryGetSpan(buffer.Address, buffer.Length, out var span) ? span : throw new ArgumentException("Not in the guest's memory.", nameof(buffer));

    /// <summary>The same rings, in the addresses that vhost-user wants.</summary>
    public static QueueLayout ToUserAddresses(QueueLayout layout) => layout with
    {
        DescriptorTable = layout.DescriptorTable - FirstAddress + FirstUserAddress,
        AvailableRing = layout.AvailableRing - FirstAddress + FirstUserAddress,
        UsedRing = layout.UsedRing - FirstAddress + FirstUserAddress,
    };

    public void Dispose()
    {
        _mapping.Dispose();
        _file.Dispose();
    }
}
