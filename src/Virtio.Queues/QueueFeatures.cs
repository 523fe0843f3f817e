// The negotiated features that shape a split virtqueue.
namespace Virtio.Queues;

/// <summary>Features of a queue. Bit numbers are those of the specification (virtio 1.2, section 6), so that a negotiated set can be cast.</summary>
[Flags]
public enum QueueFeatures : ulong
{
    /// <summary>Neither.</summary>
    None = 0,
    /// <summary>A descriptor may point to a table of descriptors (<c>VIRTIO_F_INDIRECT_DESC</c>, section 2.7.5.3).</summary>
    IndirectDescriptors = 1UL << 28,
    /// <summary>Each side says at which index it wants to be notified (<c>VIRTIO_F_EVENT_IDX</c>, sections 2.7.7 and 2.7.10).</summary>
    EventIndex = 1UL << 29,
}
