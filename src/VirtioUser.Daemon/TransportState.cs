// The transport's page of the state that outlives a process.
using System.Runtime.InteropServices;
using Virtio.Queues;
using Virtio.VhostUser;
using VirtioUser.Host.State;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon;

/// <summary>
/// What a successor would need besides the descriptors themselves: the negotiated features and where the rings
/// are. Ring positions are not kept: the used rings and the table of unfinished pings tell them.
/// </summary>
internal sealed class TransportState(HostState state)
{
    private const uint Layout = 1;

    /// <summary>A driver has started the device.</summary>
    public void NoteStart(VirtioFeatures features)
    {
        ref var row = ref MemoryMarshal.AsRef<StartRow>(state.Transport);
        row.Layout = Layout;
        row.Features = (ulong)features;
    }

    /// <summary>A queue runs.</summary>
    public void NoteQueue(int index, QueueLayout layout) => Row(index) = new QueueRow
    {
        Running = 1,
        Size = layout.Size,
        DescriptorTable = layout.DescriptorTable,
        AvailableRing = layout.AvailableRing,
        UsedRing = layout.UsedRing,
    };

    /// <summary>A queue does not run any more.</summary>
    public void NoteStop(int index) => Row(index).Running = 0;

    private ref QueueRow Row(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Limits.QueueCount, nameof(index));
        var rows = MemoryMarshal.Cast<byte, QueueRow>(state.Transport[Marshal.SizeOf<StartRow>()..]);
        return ref rows[index];
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct StartRow
    {
        public uint Layout;
        public uint Reserved;
        public ulong Features;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct QueueRow
    {
        public uint Running;
        public uint Size;
        public ulong DescriptorTable;
        public ulong AvailableRing;
        public ulong UsedRing;
    }
}
