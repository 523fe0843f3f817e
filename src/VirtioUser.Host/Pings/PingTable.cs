// Every ping that was taken and is not accounted for yet.
using VirtioUser.Host.State;

namespace VirtioUser.Host.Pings;

/// <summary>
/// The rows of unfinished pings. One thread at a time rents rows (the leader of the ping queue); any thread
/// releases them. A row is free again when the one who ran it and, if the answer had to wait, the one who
/// delivered it have both released it.
/// </summary>
internal sealed class PingTable
{
    private readonly StateTable<PingRow> _rows;
    private readonly HostState _state;
    private readonly int[] _nextFree;
    private readonly int[] _behind;
    private readonly int[] _holders;

    // The leader's own free rows, which cost no atomic step.
    private readonly int[] _kept = new int[32];
    private int _keptCount;
    private int _firstFree = -1;
    private int _untouched;

    public PingTable(HostState state)
    {
        _state = state;
        _rows = state.Pings;
        _nextFree = new int[_rows.Count];
        _behind = new int[_rows.Count];
        _holders = new int[_rows.Count];
    }

    /// <summary>Called when a row has become free.</summary>
    public Action? RowFreed { get; set; }

    /// <summary>A row.</summary>
    public ref PingRow this[int slot] => ref _rows[slot];

    /// <summary>Takes a free row. For the leading thread only, so a row can not come back between look and exchange.</summary>
    public bool TryRent(out int slot)
    {
        if (_keptCount > 0)
        {
            slot = _kept[--_keptCount];
            return true;
        }

        slot = Volatile.Read(ref _firstFree);
        while (slot >= 0)
        {
            var was = Interlocked.CompareExchange(ref _firstFree, _nextFree[slot], slot);
            if (was == slot)
            {
                return true;
            }

            slot = was;
        }

        slot = _untouched;
        if (slot == _rows.Count)
        {
            return false;
        }

        _untouched++;
        return true;
    }

    /// <summary>Gives a rented row its number: from here on the ping is accounted for. For the leading thread only.</summary>
    public void Account(int slot, ref PingRow row, uint ticket)
    {
        row.Ticket = ticket;
        row.Revents = 0;
        row.Number = ++_state.Header.LastPing;
        _holders[slot] = 1;
        _behind[slot] = -1;
        Volatile.Write(ref row.State, PingState.Unfinished);
    }

    /// <summary>Links a ping behind the one that its instance got before, if that one is still in its row.</summary>
    public void Link(int before, ulong beforeNumber, int slot)
    {
        if (before >= 0 && _rows[before].Number == beforeNumber)
        {
            _behind[before] = slot;
        }
    }

    /// <summary>The ping linked behind; meaningful only when the instance's count says that there is one.</summary>
    public int Behind(int slot) => _behind[slot];

    /// <summary>Takes the ring entry away from a ping. Any thread.</summary>
    /// <returns>The entry, or <see cref="PingRow.NoTicket"/> if somebody took it before.</returns>
    public uint TakeTicket(int slot) => Interlocked.Exchange(ref _rows[slot].Ticket, PingRow.NoTicket);

    /// <summary>Whether a ping that was taken holds such a ring entry. While nobody takes pings.</summary>
    public bool HoldsTicket(Predicate<uint> isSuch)
    {
        for (var slot = 0; slot < _untouched; slot++)
        {
            ref var row = ref _rows[slot];
            var ticket = Volatile.Read(ref row.Ticket);
            if (ticket != PingRow.NoTicket && Volatile.Read(ref row.State) != PingState.Free && isSuch(ticket))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>One more needs the row: the answer waits for its delivery. For the one who runs the ping.</summary>
    public void Hold(int slot) => _holders[slot] = 2; // seen by the deliverer, who gets the row with a fence after this

    /// <summary>One of those who need the row is done with it. Any thread.</summary>
    public void Release(int slot)
    {
        // The last holder needs no atomic step: nobody else knows the row.
        if (!IsOnlyHolder(slot) && Interlocked.Decrement(ref _holders[slot]) != 0)
        {
            return;
        }

        Volatile.Write(ref _rows[slot].State, PingState.Free);
        Push(slot);
        RowFreed?.Invoke();
    }

    /// <summary>Whether nobody but the caller, who runs the ping, needs the row.</summary>
    public bool IsOnlyHolder(int slot) => Volatile.Read(ref _holders[slot]) == 1;

    /// <summary>Keeps the row for the next ping. For the leading thread only, and the only holder.</summary>
    public void Keep(int slot)
    {
        ref var row = ref _rows[slot];
        row.Ticket = PingRow.NoTicket;
        Volatile.Write(ref row.State, PingState.Free);
        if (_keptCount < _kept.Length)
        {
            _kept[_keptCount++] = slot;
        }
        else
        {
            Push(slot);
        }
    }

    private void Push(int slot)
    {
        var first = Volatile.Read(ref _firstFree);
        while (true)
        {
            _nextFree[slot] = first;
            var was = Interlocked.CompareExchange(ref _firstFree, slot, first);
            if (was == first)
            {
                return;
            }

            first = was;
        }
    }
}
