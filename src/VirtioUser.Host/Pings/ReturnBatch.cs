// Ring entries of finished pings, given back several at a time.
using VirtioUser.Host.State;

namespace VirtioUser.Host.Pings;

/// <summary>
/// What the leader has finished and not given back yet. Giving back costs a look at what the driver wants, so the leader
/// does it once for several pings: when nothing is left to take, when this is full, and at the latest when it is found
/// to be in a callback for too long. The pings keep their rows until then. For the leading thread only.
/// </summary>
internal sealed class ReturnBatch(PingTable pings, PingReturns returns)
{
    private const int Room = 16;

    private readonly int[] _slots = new int[Room];
    private readonly uint[] _tickets = new uint[Room];
    private int _count;

    /// <summary>Adds a ping that is answered and whose row nobody else needs.</summary>
    public void Add(int slot, ref PingRow row)
    {
        Volatile.Write(ref row.State, PingState.Done);
        _slots[_count] = slot;
        _tickets[_count] = row.Ticket;
        if (++_count == Room)
        {
            Flush();
        }
    }

    /// <summary>Gives back what is there.</summary>
    public void Flush()
    {
        if (_count == 0)
        {
            return;
        }

        returns.PostAll(_tickets.AsSpan(0, _count));
        foreach (var slot in _slots.AsSpan(0, _count))
        {
            pings.Keep(slot);
        }

        _count = 0;
    }
}
