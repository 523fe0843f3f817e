// What is to be done when the ping lane is free again.
using VirtioUser.Host.Instances;

namespace VirtioUser.Host.Pings;

/// <summary>Filled while the lane is held, done by <see cref="PingWork"/> afterwards.</summary>
internal ref struct LanePlan
{
    /// <summary>Another thread must be called.</summary>
    public bool Call { get; set; }

    /// <summary>The guest wants to be told of entries that came back.</summary>
    public IGuestSignal? Signal { get; set; }

    /// <summary>An instance whose turn it is: its current ping, or what it waited for, or its end. If null, and all else is not set: look again.</summary>
    public Instance? Next { get; set; }

    /// <summary>How long to look at the ring again and again, in ticks of <see cref="System.Diagnostics.Stopwatch"/>; 0 is not at all.</summary>
    public long PollTicks { get; set; }

    /// <summary>The thread has nothing to do any more.</summary>
    public bool IsOver { get; set; }
}
