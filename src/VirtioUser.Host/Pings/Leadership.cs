// Who leads the ping queue: one thread at a time, and another one when its callback takes long.
namespace VirtioUser.Host.Pings;

/// <summary>
/// One thread leads. When a callback keeps it longer than a patience, the watchdog makes another thread the
/// leader; the old one learns of it when its callback returns, and stands by. The number of threads is the
/// number of callbacks that take long, plus a few.
/// </summary>
/// <param name="lead">What the leader does, until it is no longer the leader or <see cref="Stopping"/> is set.</param>
/// <param name="replaced">Called by the watchdog when the leader lost its place, before another has it.</param>
/// <param name="patience">About how long a callback may keep the leader.</param>
/// <param name="guestLog">For the lines that a guest can cause.</param>
internal sealed class Leadership(Action lead, Action replaced, TimeSpan patience, GuestLog guestLog) : IDisposable
{
    private const int MaxStandingBy = 4;
    private const int QuietTicks = 64;

    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _promotions = new(0);
    private readonly AutoResetEvent _watch = new(false);
    private int _standingBy;
    private int _watchdogSleeps;
    private volatile bool _stopping;

    // Odd while the leader is in a callback. Only the leader goes from even to odd; from odd to even goes
    // the leader when it comes back, or the watchdog when it makes another the leader: whoever is first.
    private long _callbacks;

    /// <summary>Whether the threads have to end.</summary>
    public bool Stopping => _stopping;

    /// <summary>Starts the first leader and the watchdog.</summary>
    /// <exception cref="InvalidOperationException">The system has no thread left.</exception>
    public void Start()
    {
        if (!HostThread.TryStart(LeaderMain, "ping queue") || !HostThread.TryStart(Watch, "ping watchdog"))
        {
            throw new InvalidOperationException("The system has no thread left for the ping queue.");
        }
    }

    /// <summary>The leader goes into a callback.</summary>
    /// <returns>For <see cref="LeaveCallback"/>.</returns>
    public long EnterCallback()
    {
        // A full fence: either the watchdog sees the odd number before it sleeps, or we see that it sleeps.
        var mine = Interlocked.Increment(ref _callbacks);
        if (Volatile.Read(ref _watchdogSleeps) != 0 && Interlocked.Exchange(ref _watchdogSleeps, 0) != 0)
        {
            _watch.Set();
        }

        return mine;
    }

    /// <summary>A thread comes back from the callback in which it went as the leader.</summary>
    /// <returns>False if another thread was made the leader meanwhile.</returns>
    public bool LeaveCallback(long mine) => Interlocked.CompareExchange(ref _callbacks, mine + 1, mine) == mine;

    /// <summary>Lets the threads end; one that is in a callback ends when that returns.</summary>
    public void Dispose()
    {
        // The semaphore and the event are not disposed of: a callback may return long after this.
        lock (_lock)
        {
            if (!_stopping)
            {
                _stopping = true;
                _promotions.Release(int.MaxValue / 2);
                _watch.Set();
            }
        }
    }

    private void LeaderMain()
    {
        while (!_stopping)
        {
            lead();
            lock (_lock)
            {
                if (_standingBy >= MaxStandingBy)
                {
                    return;
                }

                _standingBy++;
            }

            _promotions.Wait();
        }
    }

    private bool TryPromote()
    {
        lock (_lock)
        {
            if (_standingBy > 0)
            {
                _standingBy--;
                if (!_stopping)
                {
                    _promotions.Release();
                }

                return true;
            }
        }

        if (HostThread.TryStart(LeaderMain, "ping queue"))
        {
            return true;
        }

        // Tried again until a thread is there.
        if (guestLog.Allows(out var log))
        {
            Log.NoThread(log);
        }

        return false;
    }

    /// <summary>Looks now and then whether the leader is still in the callback in which it was the last time.</summary>
    private void Watch()
    {
        var last = 0L;
        var quiet = 0;
        var leaderless = false;
        while (!_stopping)
        {
            if (quiet < QuietTicks || leaderless)
            {
                _watch.WaitOne(patience);
            }
            else
            {
                Interlocked.Exchange(ref _watchdogSleeps, 1);
                if (Volatile.Read(ref _callbacks) == last)
                {
                    _watch.WaitOne();
                }

                Volatile.Write(ref _watchdogSleeps, 0);
            }

            var now = Volatile.Read(ref _callbacks);
            quiet = now == last ? quiet + 1 : 0;
            if (now == last && (now & 1) != 0 && Interlocked.CompareExchange(ref _callbacks, now + 1, now) == now)
            {
                replaced();
                leaderless = true;
            }

            leaderless = leaderless && !TryPromote();
            last = now;
        }
    }
}
