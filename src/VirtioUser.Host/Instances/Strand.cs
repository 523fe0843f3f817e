// What is in line at an instance.
using VirtioUser.Host.Pings;

namespace VirtioUser.Host.Instances;

/// <summary>
/// The pings of one instance, in the order in which they came; at most one thread runs them at a time. Who that is decides
/// the lane: all of this is touched only while it is held, except for <see cref="Current"/>, which belongs to the one who runs the strand.
/// </summary>
internal sealed class Strand
{
    private PendingPing? _first;
    private PendingPing? _last;

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

    /// <summary>The ping whose turn it is; null when there is none.</summary>
    public PendingPing? Current { get; set; }

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

    /// <summary>Makes the next ping the current one; there must be one.</summary>
    public void Advance()
    {
        var ping = _first!;
        _first = ping.Next;
        if (_first is null)
        {
            _last = null;
        }

        ping.Next = null;
        Waiting--;
        Current = ping;
    }
}
