// How one side of a queue signals the other, over a descriptor that the other side can block.
using Virtio.Linux;

namespace Virtio.VhostUser;

/// <summary>
/// The call descriptor of a queue (or its error descriptor), which the front-end may replace at any time; or the kick
/// descriptor, in a front-end.
/// <see cref="Signal"/> may come from any thread, at any time, also while it is being replaced.
/// </summary>
/// <remarks>
/// The other side shares the descriptor: it can make it blocking and fill it, so that a thread that signals is stuck.
/// Therefore one thread at a time is in a signal, which it makes once more for those that came meanwhile: however often the other side
/// has reasons to be signalled, it holds one thread for each descriptor. The connection's thread never signals itself, whoever asks it to (<see cref="SignalHelper"/> does it then), and
/// gets stuck threads out before it waits for any (<see cref="Mute"/>). <see cref="Mute"/>, <see cref="Unmute"/> and <see cref="Replace"/> are for that thread.
/// </remarks>
public sealed class CallSignal
{
    private readonly SignalHelper? _helper;
    private readonly bool _makesUp;
    private EventFd? _call;
    private int _inside; // how many signals were asked for that the thread inside has not made; 0 when none is inside
    private bool _muted = true;

    /// <summary>Muted, as long as the queue has not started.</summary>
    /// <param name="helper">Signals for the connection's thread; null where there is none.</param>
    /// <param name="makesUp">Whether to signal once for signals that may have been lost while muted or replaced: one call
    /// too many costs nothing, one too few hangs a driver. Not for errors, which only tell what was.</param>
    internal CallSignal(SignalHelper? helper, bool makesUp) => (_helper, _makesUp) = (helper, makesUp);

    /// <summary>Signals, or leaves it to the thread that does already; does nothing while the front-end has not given a descriptor (it polls then), or the queue is stopped. Allocates nothing.</summary>
    public void Signal()
    {
        if (_helper is { IsOwner: true })
        {
            _helper.Post(this);
        }
        else
        {
            SignalNow();
        }
    }

    /// <summary>The same on this thread, whichever it is.</summary>
    internal void SignalNow()
    {
        // A full fence, which pairs with the one in Mute: either it sees us inside, or we see that it muted.
        if (Interlocked.Increment(ref _inside) != 1)
        {
            return;
        }

        try
        {
            int done;
            do
            {
                done = Volatile.Read(ref _inside);
                if (!Volatile.Read(ref _muted))
                {
                    Volatile.Read(ref _call)?.Signal();
                }
            }
            while (Interlocked.Add(ref _inside, -done) != 0);
        }
        catch
        {
            Interlocked.Exchange(ref _inside, 0); // it cannot be written; nobody would hear of those that came meanwhile either
            throw;
        }
    }

    /// <summary>Lets no signal through any more; when this returns, no thread is in one.</summary>
    internal void Mute()
    {
        Volatile.Write(ref _muted, true);
        Interlocked.MemoryBarrier();
        SpinWait spinner = default;
        while (Volatile.Read(ref _inside) != 0)
        {
            _call?.TryConsume();
            spinner.SpinOnce();
        }
    }

    /// <summary>Lets signals through again.</summary>
    internal void Unmute()
    {
        Volatile.Write(ref _muted, false);
        if (_makesUp && _call is not null)
        {
            _helper?.Post(this);
        }
    }

    /// <summary>Puts another descriptor in place, which this owns from now on, and closes the one before.</summary>
    internal void Replace(EventFd? call)
    {
        var wasMuted = _muted;
        Mute();
        var before = _call;
        Volatile.Write(ref _call, call);
        before?.Dispose();
        if (!wasMuted)
        {
            Unmute();
        }
    }
}
