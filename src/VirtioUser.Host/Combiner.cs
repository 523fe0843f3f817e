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
    // What one thread does for the others before a thread of its own goes on with it.
    private const int MaxItemsATurn = 1024;

    private readonly ConcurrentQueue<T> _items = new();
    private T _held = default!;
    private volatile bool _isHeld;

    // How many asked for a turn since the one who has it last looked; 0 means that nobody has it. 64 bits:
    // a guest that kicks while the combiner is suspended must not make it wrap.
    private long _notes = 1;

    // Suspend raises the first; the one who has the turn answers with the second and leaves the turn to it.
    private volatile bool _turnWanted;
    private volatile bool _turnHanded;

    /// <summary>Whether an item waits that could not be handled. Any thread; only a hint.</summary>
    public bool IsBlocked => _isHeld;

    /// <summary>Brings an item. Any thread; allocates nothing once warm.</summary>
    public void Post(T item)
    {
        if (!TryPostNow(in item))
        {
            _items.Enqueue(item);
            Pump();
        }
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
    /// <see cref="Resume"/>. Waits for at most one item (or what a subclass does in one turn of its own), however many
    /// are posted meanwhile. A new combiner is suspended. One thread at a time, and not from inside a turn.
    /// </summary>
    public void Suspend()
    {
        _turnWanted = true;
        if (Interlocked.Increment(ref _notes) == 1)
        {
            _turnWanted = false;
            return;
        }

        // Whoever has the turn sees our wish now, or at the latest finds our note and looks again.
        var spinner = default(SpinWait);
        while (!_turnHanded)
        {
            spinner.SpinOnce();
        }

        _turnHanded = false;
    }

    /// <summary>Gives the turn back and handles what has come meanwhile.</summary>
    public void Resume() => TakeTurns();

    /// <summary>
    /// Brings an item if it can be handled at once: nobody is at it, nothing is ahead. This is what nearly always
    /// happens, so it goes past the queue. Any thread.
    /// </summary>
    /// <returns>Whether the item was handled; if not, nothing has happened.</returns>
    protected bool TryPostNow(in T item)
    {
        if (!TryBeginTurn())
        {
            return false;
        }

        var handled = TryHandle(in item);
        EndTurn();
        return handled;
    }

    /// <summary>Takes the turn if nobody has it and nothing is ahead. Whoever gets it calls <see cref="EndTurn"/> soon.</summary>
    protected bool TryBeginTurn()
    {
        // Nobody has the turn: what was posted before is handled, unless an item is held. One that is posted at this
        // moment has no order with ours yet.
        if (_isHeld || Interlocked.CompareExchange(ref _notes, 1, 0) != 0)
        {
            return false;
        }

        if (!_isHeld)
        {
            return true;
        }

        TakeTurns();
        return false;
    }

    /// <summary>Ends a turn that <see cref="TryBeginTurn"/> gave, or goes on with it if others came meanwhile.</summary>
    /// <param name="flush">Whether to <see cref="Flush"/>; if not, whoever has the next turn does.</param>
    protected void EndTurn(bool flush = true)
    {
        if (flush)
        {
            Flush();
        }

        if (Interlocked.CompareExchange(ref _notes, 0, 1) != 1)
        {
            TakeTurns();
        }
    }

    /// <summary>Leaves an item for whoever has the turn; <see cref="Pump"/> must follow.</summary>
    protected void Enqueue(in T item) => _items.Enqueue(item);

    /// <summary>Handles an item. Has the turn.</summary>
    /// <returns>False if it cannot be handled now; it is kept and tried again at the next turn.</returns>
    protected abstract bool TryHandle(in T item);

    /// <summary>Called when a turn has handled all it could. Has the turn.</summary>
    protected abstract void Flush();

    private void TakeTurns(int budget = MaxItemsATurn)
    {
        for (; ; budget--)
        {
            var seen = Volatile.Read(ref _notes);
            Drain(ref budget);
            if (_turnWanted)
            {
                _turnWanted = false;
                _turnHanded = true;
                return;
            }

            if (budget <= 0)
            {
                if (TryHandOver())
                {
                    return;
                }

                budget = MaxItemsATurn;
                continue;
            }

            // A full fence: an item posted before a note that we take off here was seen by Drain.
            if (Interlocked.Add(ref _notes, -seen) == 0)
            {
                return;
            }
        }
    }

    /// <summary>Lets a new thread go on with the turn; without one, this one goes on.</summary>
    private bool TryHandOver() => HostThread.TryStart(() => TakeTurns(int.MaxValue), "combiner");

    private void Drain(ref int budget)
    {
        while (budget > 0 && !_turnWanted && (_isHeld || _items.TryDequeue(out _held!)))
        {
            var handled = TryHandle(in _held);
            if (_isHeld == handled)
            {
                _isHeld = !handled; // volatile, so written only when it changes
            }

            if (!handled)
            {
                break;
            }

            budget--;
        }

        Flush();
    }
}
