// Who gets the next answer.
namespace VirtioUser.Guest.Messages;

/// <summary>
/// The pings that were sent and not answered, in their order: answers of one instance come in the order of its
/// pings (docs/protocol.md, "Event messages"). Not thread-safe. Grows to the number of answers that the driver
/// lets an instance wait for, and allocates nothing from then on.
/// </summary>
internal sealed class AnswerQueue
{
    private Entry[] _entries = new Entry[16];
    private int _first;

    /// <summary>How many answers are awaited.</summary>
    public int Count { get; private set; }

    /// <summary>Appends pings that are about to be sent.</summary>
    /// <param name="pending">Who waits for their answers.</param>
    /// <param name="index">The place of the first one in its call.</param>
    /// <param name="count">How many.</param>
    public void Append(PendingAnswers pending, int index, int count)
    {
        while (_entries.Length - Count < count)
        {
            Grow();
        }

        for (var i = 0; i < count; i++)
        {
            _entries[(_first + Count++) & (_entries.Length - 1)] = new Entry(pending, index + i);
        }
    }

    /// <summary>Takes back the youngest ones: they were not sent.</summary>
    /// <param name="count">How many; fewer are there only if the device has answered what it was never sent.</param>
    public void RemoveLast(int count)
    {
        for (count = Math.Min(count, Count); count > 0; count--)
        {
            _entries[(_first + --Count) & (_entries.Length - 1)] = default;
        }
    }

    /// <summary>Hands an answer to the oldest one.</summary>
    /// <returns>False if nobody waits: the answer belongs to nothing.</returns>
    public bool TryComplete(uint revents)
    {
        if (Count == 0)
        {
            return false;
        }

        ref var entry = ref _entries[_first];
        var (pending, index) = entry;
        entry = default;
        _first = (_first + 1) & (_entries.Length - 1);
        Count--;
        pending.Complete(index, revents);
        return true;
    }

    /// <summary>Fails all of them: no answer will come any more.</summary>
    /// <param name="reason">Makes an exception for each.</param>
    public void FailAll(Func<Exception> reason)
    {
        for (; Count > 0; _first = (_first + 1) & (_entries.Length - 1), Count--)
        {
            _entries[_first].Pending.Fail(reason());
            _entries[_first] = default;
        }
    }

    private void Grow()
    {
        var entries = new Entry[_entries.Length * 2];
        for (var i = 0; i < Count; i++)
        {
            entries[i] = _entries[(_first + i) & (_entries.Length - 1)];
        }

        (_entries, _first) = (entries, 0);
    }

    private readonly record struct Entry(PendingAnswers Pending, int Index);
}
