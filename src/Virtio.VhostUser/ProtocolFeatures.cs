// What the two ends of a vhost-user connection can agree on.
namespace Virtio.VhostUser;

/// <summary>Protocol features that this library speaks (vhost-user, "Protocol features"). It never offers another.</summary>
[Flags]
public enum ProtocolFeatures : ulong
{
    /// <summary>None.</summary>
    None = 0,
    /// <summary>The front-end may ask for the number of queues.</summary>
    MultipleQueues = 1UL << 0,
    /// <summary>A message can ask to be answered with success or failure.</summary>
    ReplyAcknowledgement = 1UL << 3,
    /// <summary>A second channel, for requests of the back-end.</summary>
    BackEndRequests = 1UL << 5,
    /// <summary>The back-end answers for the configuration space.</summary>
    Configuration = 1UL << 9,
    /// <summary>The back-end can map memory into VIRTIO shared memory regions.</summary>
    SharedMemory = 1UL << 22,
}
