// What kind of VM a test is.
using Virtio.Queues;

namespace VirtioUser.Daemon.Tests.Support;

/// <summary>How the hypervisor and the driver behave that a test plays.</summary>
internal sealed record VmOptions
{
    public ushort QueueSize { get; init; } = 128;

    public QueueFeatures Features { get; init; } = QueueFeatures.EventIndex;

    /// <summary>Whether shared memory regions are offered by the hypervisor at all.</summary>
    public bool SharedMemory { get; init; } = true;

    /// <summary>Whether mapped regions show in the memory table, as with QEMU.</summary>
    public bool ListsArena { get; init; } = true;

    /// <summary>Whether the guest's memory is sealed against shrinking.</summary>
    public bool Sealed { get; init; } = true;

    /// <summary>Whether the driver offers event buffers from the start.</summary>
    public bool PostsEvents { get; init; } = true;

    /// <summary>Called before the arena is mapped; may wait.</summary>
    public Action BeforeMap { get; init; } = () => { };
}
