// What one instance has waiting for the guest.
namespace VirtioUser.Host.Events;

/// <summary>Only touched while the event lane is held, except where said.</summary>
internal sealed class EventBacklog
{
    private int _answers;

    /// <summary>How many answers wait. Read by any thread.</summary>
    public int Answers
    {
        get => Volatile.Read(ref _answers);
        set => Volatile.Write(ref _answers, value);
    }

    /// <summary>How many own events wait.</summary>
    public int OwnEvents { get; set; }

    /// <summary>The guest was told that events were lost, and has not seen it yet.</summary>
    public bool LossReported { get; set; }

    /// <summary>The instance's next ping waits for room for its answer.</summary>
    public bool AwaitsRoom { get; set; }

    /// <summary>Who waits for room for an own event, in order; null where nobody ever did. While somebody does, there is none.</summary>
    public LinkedList<EventSender>? Senders { get; set; }
}
