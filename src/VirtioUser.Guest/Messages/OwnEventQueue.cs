// Events that the device sent on its own and nobody has read yet.
namespace VirtioUser.Guest.Messages;

/// <summary>
/// Holds what arrived while somebody waited for an answer. Bounded: a program that only pings must not pile up
/// events that it never reads. Not thread-safe.
/// </summary>
internal sealed class OwnEventQueue
{
    /// <summary>The most events that are kept.</summary>
    public const int Capacity = 1024;

    private readonly Queue<uint> _events = new();
    private bool _lost;

    /// <summary>Whether <see cref="TryTake"/> has something to say.</summary>
    public bool HasNews => _lost || _events.Count > 0;

    /// <summary>Appends an event, or notes its loss.</summary>
    public void Add(uint revents)
    {
        if (_events.Count < Capacity)
        {
            _events.Enqueue(revents);
        }
        else
        {
            _lost = true;
        }
    }

    /// <summary>Notes that events were lost on the way here.</summary>
    public void NoteLoss() => _lost = true;

    /// <summary>Takes the oldest event.</summary>
    /// <param name="revents">Its value.</param>
    /// <param name="lost">True, once, if events were lost since the last time; nothing is taken then.</param>
    /// <returns>Whether there was an event or a loss.</returns>
    public bool TryTake(out uint revents, out bool lost)
    {
        revents = 0;
        lost = _lost;
        _lost = false;
        return lost || _events.TryDequeue(out revents);
    }
}
