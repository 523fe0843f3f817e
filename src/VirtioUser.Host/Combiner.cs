// Work that any thread brings and one thread at a time does, with nobody ever waiting.
using System.Collections.Concurrent;

namespace VirtioUser.Host;

/// <summary>
/// Items are handled in the order in which they were posted, by whichever thread finds nobody else at it;
/// a thread that comes while another is at it leaves its item and goes. This takes the place of a lock
/// around a virtqueue. The side that owns the queue can <see cref="Suspend"/> it.
/// </summary>
/// <remarks>
/// An exception out of <see cref="TryHandle"/> or <see cref="Flush"/> reaches the thread that had the turn. Its item is lost; the
/// turn is not, and what waits is handled.
/// </remarks>
/// <typeparam name="T">An item.</typeparam>
internal abstract class Combiner<T>
{
    // What one thread does for the others before a thread of its own goes on with it.
    private const int MaxItemsATurn = 1024;

    private readonly ConcurrentQueue<T> _items = new();
    private T _held = default!;
    private bool _isHeld;

    // Whether items may wait although nobody has the turn: one could not be handled, or the turn was left to whoever comes
    // next. What is posted then goes behind them. Written by the one who has the turn.
    private volatile bool _isBehind;

    // How many asked for a turn since the one who has it last looked; 0 means that nobody has it. 64 bits:
    // a guest that kicks while the combiner is suspended must not make it wrap.
    private long _notes = 1;

    // Suspend raises the first; the one who has the turn answers with the second and leaves the turn to it.
    private volatile bool _turnWanted;
    private volatile bool _turnHanded;

    /// <summary>Whether items may wait for a <see cref="Pump"/>. Any thread; only a hint.</summary>
    public bool IsBlocked => _isBehind;

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

    /// <summary>
    /// Gives the turn back. The caller handles nothing itself, since that may block as long as the guest likes: what has come
    /// meanwhile is handled on a thread of its own. If the system has none left, whoever posts or pumps next does it.
    /// </summary>
    public void Resume() => LeaveTurn(mayWait: _isHeld);

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

        bool handled;
        try
        {
            handled = TryHandle(in item);
        }
        catch
        {
            LeaveTurn(mayWait: true);
            throw;
        }

        EndTurn();
        return handled;
    }

    /// <summary>
    /// Takes the turn if nobody has it and nothing is ahead. Whoever gets it calls <see cref="EndTurn"/> soon, or
    /// <see cref="LeaveTurn"/> after an exception.
    /// </summary>
    protected bool TryBeginTurn()
    {
        // Nobody has the turn: what was posted before is handled, unless something is behind. One that is posted at this
        // moment has no order with ours yet.
        if (_isBehind || Interlocked.CompareExchange(ref _notes, 1, 0) != 0)
        {
            return false;
        }

        if (!_isBehind)
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
            try
            {
                Flush();
            }
            catch
            {
                LeaveTurn(mayWait: true);
                throw;
            }
        }

        if (Interlocked.CompareExchange(ref _notes, 0, 1) != 1)
        {
            TakeTurns();
        }
    }

    /// <summary>Ends a turn without handling anything: what waits is handled on a thread of its own.</summary>
    /// <param name="mayWait">Whether something may wait besides what was posted.</param>
    protected void LeaveTurn(bool mayWait)
    {
        _isBehind = true;
        while (true)
        {
            // In this order: a wish that is not seen here has a note that makes the exchange fail, or comes after it.
            var seen = Volatile.Read(ref _notes);
            if (_turnWanted)
            {
                HandTurn();
                return;
            }

            if (Interlocked.CompareExchange(ref _notes, 0, seen) == seen)
            {
                break;
            }
        }

        // Who posted before the exchange has left it to us; who comes after it finds nobody at it.
        if (mayWait || !_items.IsEmpty)
        {
            HostThread.TryStart(Pump, "combiner");
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
        try
        {
            while (!TryFinish(ref budget))
            {
                // Others came meanwhile, or there is more than one turn may do and no thread to go on with it.
            }
        }
        catch
        {
            LeaveTurn(mayWait: true);
            throw;
        }
    }

    /// <summary>Handles what is there, and gives the turn away if that was all.</summary>
    /// <returns>False if the turn is still the caller's.</returns>
    private bool TryFinish(ref int budget)
    {
        var seen = Volatile.Read(ref _notes);
        Drain(ref budget);
        if (_turnWanted)
        {
            HandTurn();
            return true;
        }

        if (--budget > 0)
        {
            // A full fence: an item posted before a note that we take off here was seen by Drain.
            return Interlocked.Add(ref _notes, -seen) == 0;
        }

        budget = MaxItemsATurn;
        return HostThread.TryStart(() => TakeTurns(int.MaxValue), "combiner");
    }

    private void HandTurn()
    {
        _turnWanted = false;
        _turnHanded = true;
    }

    private void Drain(ref int budget)
    {
        while (budget > 0 && !_turnWanted && (_isHeld || _items.TryDequeue(out _held!)))
        {
            _isHeld = false; // an item that makes this throw is not tried again
            if (!TryHandle(in _held))
            {
                _isHeld = true;
                break;
            }

            _held = default!; // it may be all that keeps an instance alive
            budget--;
        }

        Flush();
        var isBehind = _isHeld || _turnWanted || budget <= 0;
        if (_isBehind != isBehind)
        {
            _isBehind = isBehind; // volatile, so written only when it changes
        }
    }
}
