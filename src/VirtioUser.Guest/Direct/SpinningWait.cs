// One wait that spins before it sleeps.
using System.Diagnostics;
using System.Runtime.Intrinsics.X86;
using Virtio.Queues;

namespace VirtioUser.Guest.Direct;

/// <summary>What a <see cref="SpinningWait"/> looks for.</summary>
internal interface ISpinCondition
{
    /// <summary>Looks whether it is there.</summary>
    bool Look();
}

/// <summary>
/// One wait: spins once for as long as that tends to pay, and tells <see cref="AdaptiveSpin"/> how the wait ended. For the
/// thread that waits; allocates nothing.
/// </summary>
/// <param name="spin">What was learned from former waits.</param>
internal struct SpinningWait(AdaptiveSpin spin)
{
    private const int LooksBetweenTimes = 16;

    private long _began;
    private bool _missed;

    /// <summary>Looks again and again for a while; only when it is called for the first time.</summary>
    /// <param name="condition">What to look for.</param>
    /// <returns>Whether it is there: the wait is over, and noted.</returns>
    public bool Spin<TCondition>(in TCondition condition)
        where TCondition : struct, ISpinCondition
    {
        if (_missed || !spin.IsEnabled)
        {
            return false;
        }

        _missed = true;
        if (spin.Ticks == 0)
        {
            _began = Stopwatch.GetTimestamp();
            return false;
        }

        // A hit among the first looks does without the clock.
        long spun = 0;
        do
        {
            for (var i = 0; i < LooksBetweenTimes; i++)
            {
                if (condition.Look())
                {
                    spin.NoteHit(spun);
                    _missed = false;
                    return true;
                }

                Pause();
            }

            var now = Stopwatch.GetTimestamp();
            _began = _began == 0 ? now : _began;
            spun = now - _began;
        }
        while (spun < spin.Ticks);
        return false;
    }

    /// <summary>Notes how long the wait was if spinning did not end it.</summary>
    /// <param name="fulfilled">Whether what it waited for has come; otherwise the wait was given up.</param>
    public readonly void End(bool fulfilled)
    {
        if (_missed)
        {
            spin.NoteWait(fulfilled ? Stopwatch.GetTimestamp() - _began : long.MaxValue);
        }
    }

    private static void Pause()
    {
        // One pause is several times shorter than the least that SpinWait does.
        if (X86Base.IsSupported)
        {
            X86Base.Pause();
        }
        else
        {
            Thread.SpinWait(1);
        }
    }
}
