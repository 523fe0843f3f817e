// Who leads the ping queue: one thread at a time, and another one when its callback takes long.
namespace VirtioUser.Host.Pings;

/// <summary>
/// One thread leads. When a callback keeps it longer than a patience, the watchdog makes another thread the
/// leader; the old one learns of it when its callback returns, and stands by. The number of threads is the
/// number of callbacks that take long, plus a few. The leader is at work, in a callback, or away; only at work
/// does it touch what only a leader may touch, so others can wait for the moment when it is not.
/// </summary>
/// <param name="lead">
/// What the leader does, until it is no longer the leader or <see cref="Stopping"/> is set. Begins away, and ends away
/// or after <see cref="LeaveCallback"/> returned false.
/// </param>
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

    // What the leader does, and above these two bits how often that has changed. Only the leader changes it, except from
    // in a callback to away: that does the watchdog, if it comes before the leader, when it makes another the leader.
    private const long AtWork = 0, InCallback = 1, Away = 2, Activity = 3;
    private long _leader = Away;

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

    /// <summary>The leader goes to work. A full fence.</summary>
    public void BeginWork() => Interlocked.Add(ref _leader, AtWork - Away + Activity + 1);

    /// <summary>The leader goes away from work, for as long as it likes. A full fence.</summary>
    public void EndWork() => Interlocked.Add(ref _leader, Away - AtWork);

    /// <summary>The leader goes from work into a callback.</summary>
    /// <returns>For <see cref="LeaveCallback"/>.</returns>
    public long EnterCallback()
    {
        // No fence: the watchdog makes one for all threads before it sleeps. So either it sees us in the callback, or we
        // see that it sleeps.
        var mine = _leader + (InCallback - AtWork);
        Volatile.Write(ref _leader, mine);
        if (Volatile.Read(ref _watchdogSleeps) != 0 && Interlocked.Exchange(ref _watchdogSleeps, 0) != 0)
        {
            _watch.Set();
        }

        return mine;
    }

    /// <summary>A thread comes back to work from the callback in which it went as the leader. A full fence.</summary>
    /// <returns>False if another thread was made the leader meanwhile.</returns>
    public bool LeaveCallback(long mine) =>
        Interlocked.CompareExchange(ref _leader, mine + AtWork - InCallback + Activity + 1, mine) == mine;

    /// <summary>
    /// Waits until the leader is not at work; whoever calls has made sure, with a fence, that it soon will not be.
    /// </summary>
    public void WaitUntilNotAtWork()
    {
        var spinner = default(SpinWait);
        while ((Volatile.Read(ref _leader) & Activity) == AtWork)
        {
            spinner.SpinOnce();
        }
    }

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
                Volatile.Write(ref _watchdogSleeps, 1);
                Interlocked.MemoryBarrierProcessWide(); // costs this thread much, and the leader nothing at each ping
                if (Volatile.Read(ref _leader) == last)
                {
                    _watch.WaitOne();
                }

                Volatile.Write(ref _watchdogSleeps, 0);
            }

            var now = Volatile.Read(ref _leader);
            quiet = now == last ? quiet + 1 : 0;
            if (now == last && (now & Activity) == InCallback && Interlocked.CompareExchange(ref _leader, now + Away - InCallback, now) == now)
            {
                replaced();
                leaderless = true;
            }

            leaderless = leaderless && !TryPromote();
            last = now;
        }
    }
}
