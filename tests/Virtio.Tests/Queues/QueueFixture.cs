// A queue over a real memfd, with both its sides.
using System.Buffers.Binary;
using Virtio.Linux;
using Virtio.Queues;

namespace Virtio.Tests.Queues;

/// <summary>
/// Guest memory of 1 MiB that begins at 4 GiB, with a queue at its start. The pages around it cannot be touched: a byte
/// read or written outside ends the tests.
/// </summary>
internal sealed class QueueFixture : IDisposable
{
    internal const ulong Start = 4UL << 30;
    internal const int Length = 1 << 20;
    internal const ulong Buffers = Start + Length / 2;
    internal const QueueFeatures AllFeatures = QueueFeatures.EventIndex | QueueFeatures.IndirectDescriptors;

    private const int Guard = 1 << 20;

    private readonly AddressWindow _window = AddressWindow.Reserve(Length + 2 * Guard);
    private readonly QueueFeatures _features;

    internal QueueFixture(ushort size = 8, QueueFeatures features = AllFeatures)
    {
        using var file = MemFd.Create("queue", Length);
        _window.Map(Guard, file, 0, Length, MapAccess.ReadWrite);
        _features = features;
        Layout = QueueLayout.At(size, Start);
        Memory = new WindowMemory(_window);
        Driver = new DriverQueue(Memory, Layout, features);
        Device = new DeviceQueue(Memory, Layout, features);
    }

    internal GuestMemory Memory { get; }

    internal QueueLayout Layout { get; }

    internal DriverQueue Driver { get; }

    internal DeviceQueue Device { get; private set; }

    internal Span<byte> All => _window.GetSpan(Guard, Length);

    internal Span<byte> At(ulong address, int length) => All.Slice((int)(address - Start), length);

    /// <summary>Begins anew with the device's side, as a device does that was restarted.</summary>
    internal void Reattach(ushort lastAvailable) => Device = new DeviceQueue(Memory, Layout, _features, lastAvailable);

    internal void WriteDescriptor(int index, ulong address, uint length, int flags, int next) =>
        WriteDescriptor(Layout.DescriptorTable, index, address, length, flags, next);

    internal void WriteDescriptor(ulong table, int index, ulong address, uint length, int flags, int next)
    {
        var entry = At(table + 16 * (uint)index, 16);
        BinaryPrimitives.WriteUInt64LittleEndian(entry, address);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[8..], length);
        BinaryPrimitives.WriteUInt16LittleEndian(entry[12..], (ushort)flags);
        BinaryPrimitives.WriteUInt16LittleEndian(entry[14..], (ushort)next);
    }

    /// <summary>Makes one chain available by hand, however wrong.</summary>
    internal void Offer(ushort head)
    {
        var index = AvailableIndex;
        BinaryPrimitives.WriteUInt16LittleEndian(At(Layout.AvailableRing + 4 + 2 * (uint)(index % Layout.Size), 2), head);
        AvailableIndex = (ushort)(index + 1);
    }

    internal ushort AvailableIndex
    {
        get => BinaryPrimitives.ReadUInt16LittleEndian(At(Layout.AvailableRing + 2, 2));
        set => BinaryPrimitives.WriteUInt16LittleEndian(At(Layout.AvailableRing + 2, 2), value);
    }

    internal ushort UsedIndex
    {
        get => BinaryPrimitives.ReadUInt16LittleEndian(At(Layout.UsedRing + 2, 2));
        set => BinaryPrimitives.WriteUInt16LittleEndian(At(Layout.UsedRing + 2, 2), value);
    }

    public void Dispose() => _window.Dispose();

    private sealed class WindowMemory(AddressWindow window) : GuestMemory
    {
        public override bool TryGetSpan(ulong address, uint length, out Span<byte> span)
        {
            var inside = address >= Start && length <= Length && address - Start <= Length - length;
            span = inside ? window.GetSpan(Guard + (address - Start), (int)length) : default;
            return inside;
        }
    }
}
