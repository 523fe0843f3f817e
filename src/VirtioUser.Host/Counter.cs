// What is counted.
namespace VirtioUser.Host;

/// <summary>What <see cref="HostCounters"/> count and <see cref="HostMetrics"/> shows.</summary>
public enum Counter
{
    /// <summary>Front-ends that connected.</summary>
    Connections = 0,

    /// <summary>Instances that were made.</summary>
    InstancesCreated = 1,

    /// <summary>Instances that have ended.</summary>
    InstancesEnded = 2,

    /// <summary>Instances that ended because a callback threw.</summary>
    InstancesFailed = 3,

    /// <summary>Shared-memory objects that were made.</summary>
    ObjectsAllocated = 4,

    /// <summary>Shared-memory objects that are gone.</summary>
    ObjectsFreed = 5,

    /// <summary>Bytes of shared memory given out.</summary>
    BytesAllocated = 6,

    /// <summary>Bytes of shared memory taken back.</summary>
    BytesFreed = 7,

    /// <summary>Config requests that were answered.</summary>
    ConfigRequests = 8,

    /// <summary>Config requests that were answered with an error.</summary>
    ConfigErrors = 9,

    /// <summary>Pings that were taken from the queue and are whole.</summary>
    Pings = 10,

    /// <summary>Pings that ran no callback: unknown handle, bytes outside the object, ended instance.</summary>
    PingsRejected = 11,

    /// <summary>Pings whose instance went away before their callback began.</summary>
    PingsCancelled = 12,

    /// <summary>Bytes of shared memory that pings named.</summary>
    PingBytes = 13,

    /// <summary>Pings that a device failed with a code of its own.</summary>
    PingsFailed = 14,

    /// <summary>Events put on the event queue.</summary>
    Events = 15,

    /// <summary>Own events of a device that were dropped for want of room.</summary>
    EventsDropped = 16,

    /// <summary>Messages on any queue that were not of their form.</summary>
    MessagesRejected = 17,

    /// <summary>Times that pings had to wait: no room for a ping, or an instance's answers not taken.</summary>
    QueueWaits = 18,

    /// <summary>Times that no thread had anything to do for the ping queue any more.</summary>
    Sleeps = 19,

    /// <summary>Times that polling found a ping.</summary>
    PollHits = 20,

    /// <summary>Times that polling found none, and the thread stopped looking.</summary>
    PollMisses = 21,
}
