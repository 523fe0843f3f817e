// How long it pays to look for pings before going to sleep.
using System.Diagnostics;

namespace VirtioUser.Host.Pings;

/// <summary>
/// Polling pays when the next ping comes sooner than it takes to sleep and be woken. The time to poll grows while waits
/// are short and falls to nothing at the first long one, so who is pinged rarely never polls (as KVM's halt_poll_ns does).
/// For one thread at a time.
/// </summary>
/// <param name="most">The longest time to poll; zero means never.</param>
internal sealed class PollBudget(TimeSpan most)
{
    private static readonly long First = Stopwatch.Frequency / 50_000; // 20 us

    private readonly long _most = (long)(most.TotalSeconds * Stopwatch.Frequency);

    /// <summary>Whether polling was asked for at all.</summary>
    public bool Enabled => _most > 0;

    /// <summary>How long to poll now, in ticks of <see cref="Stopwatch"/>; 0 means not at all.</summary>
    public long Ticks { get; private set; }

    /// <summary>Learns from a wait for which polling was too short, or not done.</summary>
    /// <param name="waited">How long it was in all, in ticks of <see cref="Stopwatch"/>.</param>
    public void NoteWait(long waited) => Ticks = waited > _most ? 0 : Math.Min(_most, Math.Max(First, 2 * Ticks));
}
