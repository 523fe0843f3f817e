// Work that any thread brings and one thread at a time does, with nobody ever waiting.
using System.Collections.Concurrent;

namespace VirtioUser.Host;

/// <summary>
/// Items are handled in the order in which they were posted, by whichever thread finds nobody else at it;
/// a thread that comes while another is at it leaves its item and goes. This takes the place of a lock
/// around a virtqueue. The side that owns the queue can <see cref="Suspend"/> it.
/// </summary>
/// <typeparam name="T">An item.</typeparam>
internal abstract class Combiner<T>
{
    private readonly ConcurrentQueue<T> _items = new();
    private T _held = default!;
    private bool _isHeld;

    // How many asked for a turn since the one who has it last looked; 0 means that nobody has it.
    private int _notes = 1;

    /// <summary>Brings an item. Any thread; allocates nothing once warm.</summary>
    public void Post(T item)
    {
        _items.Enqueue(item);
        Pump();
    }

    /// <summary>Tries again with what could not be handled before. Any thread.</summary>
    public void Pump()
    {
        if (Interlocked.Increment(ref _notes) == 1)
        {
            TakeTurns();
        }
    }

    /// <summary>
    /// Takes the turn and keeps it: when this returns, no item is being handled, and none will be until
    /// <see cref="Resume"/>. A new combiner is suspended. One thread at a time, and not from inside a turn.
    /// </summary>
    public void Suspend()
    {
        var spinner = default(SpinWait);
        while (Interlocked.CompareExchange(ref _notes, 1, 0) != 0)
        {
            spinner.SpinOnce();
        }
    }

    /// <summary>Gives the turn back and handles what has come meanwhile.</summary>
    public void Resume() => TakeTurns();

    /// <summary>Handles an item. Has the turn.</summary>
    /// <returns>False if it cannot be handled now; it is kept and tried again at the next turn.</returns>
    protected abstract bool TryHandle(in T item);

    /// <summary>Called when a turn has handled all it could. Has the turn.</summary>
    protected abstract void Flush();

    private void TakeTurns()
    {
        var seen = Volatile.Read(ref _notes);
        do
        {
            Drain();

            // A full fence: an item posted before a note that we take off here was seen by Drain.
            var left = Interlocked.Add(ref _notes, -seen);
            seen = left;
        }
        while (seen != 0);
    }

    private void Drain()
    {
        while (_isHeld || _items.TryDequeue(out _held!))
        {
            _isHeld = !TryHandle(in _held);
            if (_isHeld)
            {
                break;
            }
        }

        Flush();
    }
}
