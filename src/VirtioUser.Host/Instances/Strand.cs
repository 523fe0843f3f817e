// What is in line at an instance.
using System.Diagnostics.CodeAnalysis;
using VirtioUser.Host.Pings;

namespace VirtioUser.Host.Instances;

/// <summary>
/// The pings of one instance, in the order in which they came; at most one thread runs them at a time. Who that is decides
/// the lane: all of this is touched only while it is held, except for the turn,
/// which belongs to the one who runs the strand.
/// </summary>
internal sealed class Strand
{
    private PendingPing? _first;
    private PendingPing? _last;
    private PendingPing? _finished;

    /// <summary>How many pings wait, without the current one.</summary>
    public int Waiting { get; private set; }

    /// <summary>How many pings the host keeps whose ring entry was given back already.</summary>
    public int Kept { get; set; }

    /// <summary>Somebody runs the strand, or is about to: a thread, or work that goes on without one.</summary>
    public bool IsBusy { get; set; }

    /// <summary>The end was asked for: it comes after the pings that are in line.</summary>
    public bool MustEnd { get; set; }

    /// <summary>The next instance that waits for a thread.</summary>
    public Instance? NextReady { get; set; }

    /// <summary>The ping that runs; those behind it are of the same turn. Null when the turn is over.</summary>
    public PendingPing? Current { get; private set; }

    /// <summary>Kicks were asked for when the thread left for this turn: it takes that back before its last answer.</summary>
    public bool AsksForKicks { get; set; }

    /// <summary>Puts a ping in line.</summary>
    public void Add(PendingPing ping)
    {
        if (_last is null)
        {
            _first = ping;
        }
        else
        {
            _last.Next = ping;
        }

        _last = ping;
        Waiting++;
    }

    /// <summary>Takes the next ping; and with it what is in line behind it, as far as the host keeps those pings. There must be one.</summary>
    /// <param name="most">How many at most.</param>
    public void BeginTurn(int most)
    {
        var last = Current = _first!;
        var count = 1;
        while (count < most && last is { Head: null, Next: { Head: null } next })
        {
            // One that still has its ring entry has a turn of its own, so that the guest gets that back soon.
            last = next;
            count++;
        }

        _first = last.Next;
        if (_first is null)
        {
            _last = null;
        }

        last.Next = null;
        Waiting -= count;
    }

    /// <summary>The current ping is finished.</summary>
    public void Pass()
    {
        var ping = Current!;
        (Current, ping.Next, _finished) = (ping.Next, _finished, ping);
    }

    /// <summary>Takes one of the pings that were finished in this turn.</summary>
    public bool TryTakeFinished([NotNullWhen(true)] out PendingPing? ping)
    {
        ping = _finished;
        _finished = ping?.Next;
        return ping is not null;
    }
}
