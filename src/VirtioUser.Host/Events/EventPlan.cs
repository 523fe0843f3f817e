// What is to be done when the event lane is free again.
using VirtioUser.Host.Instances;

namespace VirtioUser.Host.Events;

/// <summary>Filled while the lane is held, done by <see cref="EventOutbox"/> afterwards.</summary>
internal ref struct EventPlan
{
    /// <summary>The guest wants to be told of events.</summary>
    public IGuestSignal? Signal { get; set; }

    /// <summary>The guest has to be told, or more can be delivered, and the thread may not wait for the guest: another one must.</summary>
    public bool Defer { get; set; }

    /// <summary>More can be delivered.</summary>
    public bool More { get; set; }

    /// <summary>Instances whose strands waited for room, and go on; null if there are none.</summary>
    public Instance[]? Resumed { get; set; }

    /// <summary>Senders that waited for room, and are over; null if there are none.</summary>
    public EventSender[]? Senders { get; set; }
}
