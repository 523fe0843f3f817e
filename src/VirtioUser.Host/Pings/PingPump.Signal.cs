// When the guest is told of answers.
using System.Diagnostics;

namespace VirtioUser.Host.Pings;

internal sealed partial class PingPump
{
    // How long the signal for an answer may be held back, apart from the callback that runs when this is over.
    private static readonly long MostHeld = Stopwatch.Frequency / 20_000; // 50 us

    // The clock costs a part of what a short ping does.
    private const int AnswersBetweenLooks = 8;

    // Since when; 0 when nothing is held back.
    private long _heldSince;
    private int _held;

    /// <summary>
    /// Whether the signal for the answer to the ping that is about to run may wait for that of the next ping, which is
    /// there already. A guest that sends many at once is woken once for many answers; one that polls sees each at once. A
    /// callback that takes long does not hold back others' signals for more than that: the watchdog signals then.
    /// </summary>
    /// <param name="queue">The queue; not to be touched after this.</param>
    /// <param name="answers">Whether there will be an answer.</param>
    private bool MayHoldSignal(IPingQueue queue, bool answers)
    {
        if (!answers)
        {
            SignalHeldIfOld();
            return false;
        }

        if (!queue.HasNext)
        {
            _heldSince = 0;
            return false;
        }

        if (_heldSince == 0)
        {
            (_heldSince, _held) = (Stopwatch.GetTimestamp(), 0);
        }
        else if (++_held % AnswersBetweenLooks == 0 && Stopwatch.GetTimestamp() - _heldSince >= MostHeld)
        {
            _heldSince = 0;
        }

        return _heldSince != 0;
    }

    private void SignalHeldIfOld()
    {
        if (_heldSince != 0 && Stopwatch.GetTimestamp() - _heldSince >= MostHeld)
        {
            SignalHeld();
        }
    }

    /// <summary>Signals what is held back.</summary>
    /// <returns>Whether the leader went away from work for that.</returns>
    private bool SignalHeld()
    {
        if (_heldSince == 0)
        {
            return false;
        }

        _heldSince = 0;
        PumpEvents();
        return true;
    }
}
