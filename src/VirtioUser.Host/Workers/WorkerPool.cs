// The threads that run devices, for all VMs of a process.
using Microsoft.Extensions.Logging;

namespace VirtioUser.Host.Workers;

/// <summary>
/// Threads that wait for kicks and do what they are for. Whatever a thread does may take as long as a device or a guest likes, so
/// before it begins another one waits in its place. There are as many as there is work that hangs, and a few more.
/// Not the threads of the runtime's pool: devices may block all of those.
/// </summary>
public sealed class WorkerPool : IDisposable
{
    // More than wait are let go: they were needed by callbacks that took long.
    private const int MaxIdle = 4;

    // How long to wait for a thread when the system has none left.
    private static readonly TimeSpan RetryPeriod = TimeSpan.FromMilliseconds(100);

    private readonly Lock _lock = new();
    private readonly Queue<IWork> _posted = new();
    private readonly IWorkWaiter _waiter;
    private readonly ILogger _logger;
    private readonly Timer _retry;
    private int _idle;
    private int _threads;
    private volatile bool _stopping;

    /// <summary>No thread runs until <see cref="Start"/>.</summary>
    /// <param name="waiter">How to wait; stays the caller's, who keeps it until the last thread has ended, or for good.</param>
    /// <param name="logger">A log with a bound.</param>
    public WorkerPool(IWorkWaiter waiter, ILogger logger)
    {
        (_waiter, _logger) = (waiter, logger);
        _retry = new Timer(static pool => ((WorkerPool)pool!).EnsureIdle(), this, Timeout.Infinite, Timeout.Infinite);
    }

    /// <summary>How many threads there are. For tests.</summary>
    internal int Threads => Volatile.Read(ref _threads);

    /// <summary>Starts the first thread.</summary>
    /// <exception cref="InvalidOperationException">The system has no thread left.</exception>
    public void Start()
    {
        Interlocked.Increment(ref _idle);
        if (!TryStartThread())
        {
            throw new InvalidOperationException("The system has no thread left to run devices.");
        }
    }

    /// <summary>Lets the threads end; one that is in a callback ends when that returns.</summary>
    public void Dispose()
    {
        _stopping = true;
        _retry.Dispose();
        _waiter.Wake();
    }

    /// <summary>Has something done soon. Any thread; waits for nothing.</summary>
    /// <param name="work">What.</param>
    public void Post(IWork work)
    {
        lock (_lock)
        {
            _posted.Enqueue(work);
        }

        _waiter.Wake();
    }

    /// <summary>Starts a thread, which the caller has counted as idle.</summary>
    private bool TryStartThread()
    {
        Interlocked.Increment(ref _threads);
        if (HostThread.TryStart(Main, "worker"))
        {
            return true;
        }

        Interlocked.Decrement(ref _threads);
        return false;
    }

    private void Main()
    {
        Serve();
        Interlocked.Decrement(ref _threads);
    }

    private void Serve()
    {
        while (true)
        {
            var work = Next();
            Interlocked.Decrement(ref _idle);
            if (work is null)
            {
                _waiter.Wake(); // the others end too
                return;
            }

            EnsureIdle();
            work.Run();
            if (Interlocked.Increment(ref _idle) > MaxIdle)
            {
                // Several may see that at once; the one that finds nobody left stays.
                if (Interlocked.Decrement(ref _idle) > 0)
                {
                    return;
                }

                Interlocked.Increment(ref _idle);
            }
        }
    }

    /// <summary>Waits for work.</summary>
    /// <returns>Null when the threads have to end.</returns>
    private IWork? Next()
    {
        while (!_stopping)
        {
            if (TryTakePosted() is { } posted)
            {
                return posted;
            }

            if (_waiter.Wait() is { } kicked)
            {
                return kicked;
            }
        }

        return null;
    }

    /// <summary>Takes what was posted first; for tests that run it themselves.</summary>
    internal IWork? TryTakePosted()
    {
        IWork? work;
        bool more;
        lock (_lock)
        {
            if (!_posted.TryDequeue(out work))
            {
                return null;
            }

            more = _posted.Count > 0;
        }

        if (more)
        {
            _waiter.Wake(); // several posts may have ended one wait
        }

        return work;
    }

    /// <summary>Sees to it that a thread waits.</summary>
    private void EnsureIdle()
    {
        // Counted before it is there, so that nobody starts another one for the same reason.
        if (Interlocked.CompareExchange(ref _idle, 1, 0) != 0 || TryStartThread())
        {
            return;
        }

        // If the callback hangs for which this thread leaves, nobody is there until the system has a thread.
        Interlocked.Decrement(ref _idle);
        Log.NoThread(_logger);
        try
        {
            _retry.Change(RetryPeriod, Timeout.InfiniteTimeSpan);
        }
        catch (ObjectDisposedException)
        {
            // The threads end.
        }
    }
}
