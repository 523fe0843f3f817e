// What can be set on a host, with the numbers that hold if nothing is said.
namespace VirtioUser.Host;

/// <summary>Bounds of a host. The times bound how long others may wait, not how long a callback may run.</summary>
public sealed record HostOptions
{
    /// <summary>The most instances at a time, up to 8192.</summary>
    public int MaxInstances { get; init; } = 8192;

    /// <summary>Answers that one instance may have waiting for the guest before its pings wait too.</summary>
    public int MaxAnswersWaiting { get; init; } = 256;

    /// <summary>Own events that one instance may have waiting for the guest before they are dropped.</summary>
    public int MaxOwnEventsWaiting { get; init; } = 256;

    /// <summary>Pings of one instance that the host keeps without their ring entries, so that the ring stays free for others.</summary>
    public int MaxPingsKept { get; init; } = 64;

    /// <summary>How long a device may take to make an instance.</summary>
    public TimeSpan CreateTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long the reply to a destroy request waits for the instance's last callbacks.</summary>
    public TimeSpan DestroyTimeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Threads that one VM can have in callbacks, or held by its signals, before its pings wait for one of these.</summary>
    public int MaxWorkers { get; init; } = 1024;

    /// <summary>Attempts to make an instance that one VM can have hanging before it is refused another.</summary>
    public int MaxCreations { get; init; } = 64;

    /// <summary>Whether a guest is told why a request was refused, in words: exceptions' messages too.</summary>
    public bool GivesReasons { get; init; } = true;

    /// <summary>
    /// How long to look for the next ping, at the most, before going to sleep, apart from short probes (<see cref="Virtio.Queues.AdaptiveSpin"/>);
    /// zero is not at all.
    /// </summary>
    public TimeSpan MaxPollTime { get; init; } = TimeSpan.Zero;
}
