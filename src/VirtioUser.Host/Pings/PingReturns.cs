// Gives ring entries back, from whichever thread is done with one.
namespace VirtioUser.Host.Pings;

/// <summary>
/// A ticket is a ring entry and the number of the driver's start that it belongs to: an entry of a ring that
/// is no more is forgotten, one of a ring that was only stopped for a while is given back when it runs again.
/// </summary>
/// <param name="pings">Where the tickets are that are not given back yet.</param>
internal sealed class PingReturns(PingTable pings) : Combiner<uint>
{
    private IPingQueue? _queue;
    private ushort _driver;
    private bool _unflushed;

    /// <summary>Begins to give entries back, on other threads than this one. Suspended until then.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="newDriver">The ring is a new driver's: older entries mean nothing to it.</param>
    public void Attach(IPingQueue queue, bool newDriver)
    {
        _queue = queue;
        if (newDriver)
        {
            // A callback that hangs for long keeps its ticket: a number that comes round again must not be that one's.
            do
            {
                _driver++;
            }
            while (pings.HoldsTicket(ticket => DriverOf(ticket) == _driver));
        }

        Resume();
    }

    /// <summary>Ends giving back: when this returns the queue is not touched any more.</summary>
    public void Detach()
    {
        Suspend();
        _queue = null;
    }

    /// <summary>The ticket of an entry of the queue that is attached. For the leading thread only.</summary>
    public uint TicketOf(ushort entry) => ((uint)_driver << 16) | entry;

    /// <summary>Gives several entries back, and tells the guest once. Any thread.</summary>
    public void PostAll(ReadOnlySpan<uint> tickets)
    {
        if (TryBeginTurn())
        {
            try
            {
                foreach (var ticket in tickets)
                {
                    TryHandle(in ticket);
                }
            }
            catch
            {
                LeaveTurn(mayWait: true);
                throw;
            }

            EndTurn();
            return;
        }

        foreach (var ticket in tickets)
        {
            Enqueue(in ticket);
        }

        Pump();
    }

    /// <inheritdoc/>
    protected override bool TryHandle(in uint item)
    {
        if (DriverOf(item) == _driver)
        {
            _queue!.Return((ushort)item);
            _unflushed = true;
        }

        return true;
    }

    /// <inheritdoc/>
    protected override void Flush()
    {
        if (_unflushed)
        {
            _queue!.FlushReturns();
            _unflushed = false;
        }
    }

    private static ushort DriverOf(uint ticket) => (ushort)(ticket >> 16);
}
