// The threads that run devices.
using System.Runtime.CompilerServices;
using VirtioUser.Host.Tests.Support;
using VirtioUser.Host.Workers;

namespace VirtioUser.Host.Tests;

public sealed class WorkerPoolTests : IDisposable
{
    private readonly CountingWaiter _waiter = new();
    private readonly TestLog _log = new();
    private readonly WorkerPool _pool;
    private readonly StrongBox<bool> _exhausted;

    public WorkerPoolTests()
    {
        _exhausted = HostThread.Exhausted.Value = new StrongBox<bool>();
        _pool = new WorkerPool(_waiter, _log);
    }

    public void Dispose()
    {
        _pool.Dispose();
        _waiter.WaitForWaiting(0); // all threads end
    }

    [Fact]
    public void A_thread_waits_whatever_the_others_do()
    {
        using var go = new ManualResetEventSlim();
        using var begun = new SemaphoreSlim(0);
        _pool.Start();
        for (var i = 0; i < 20; i++)
        {
            _pool.Post(new Work(() =>
            {
                begun.Release();
                go.Wait();
            }));
            Assert.True(begun.Wait(Patience.Limit, TestContext.Current.CancellationToken), "Nobody came.");
            _waiter.WaitForWaiting(1);
        }

        go.Set();
    }

    [Fact]
    public void Posts_that_end_one_wait_are_all_done()
    {
        using var done = new CountdownEvent(100);
        using var go = new ManualResetEventSlim();
        for (var i = 0; i < 100; i++)
        {
            _pool.Post(new Work(() =>
            {
                done.Signal();
                go.Wait(); // each needs a thread of its own
            }));
        }

        _pool.Start(); // finds one wake-up
        Assert.True(done.Wait(Patience.Limit, TestContext.Current.CancellationToken), $"{done.CurrentCount} were not done.");
        go.Set();
    }

    [Fact]
    public void Threads_above_the_bound_go_and_the_rest_still_work()
    {
        using var go = new ManualResetEventSlim();
        using var begun = new CountdownEvent(50);
        _pool.Start();
        for (var i = 0; i < 50; i++)
        {
            _pool.Post(new Work(() =>
            {
                begun.Signal();
                go.Wait();
            }));
        }

        Assert.True(begun.Wait(Patience.Limit, TestContext.Current.CancellationToken));
        _waiter.WaitForWaiting(1);
        go.Set();
        _waiter.WaitForThreads(4);
        using var done = new ManualResetEventSlim();
        _pool.Post(new Work(done.Set));
        Patience.Wait(done, "a thread that is left");
    }

    [Fact]
    public void A_thread_is_tried_for_again_when_there_was_none()
    {
        using var go = new ManualResetEventSlim();
        using var done = new ManualResetEventSlim();
        _pool.Start();
        _exhausted.Value = true;
        _pool.Post(new Work(go.Wait));
        Assert.True(SpinWait.SpinUntil(() => _log.Lines.Count > 0, Patience.Limit), "Nobody missed a thread.");
        _pool.Post(new Work(done.Set));
        Assert.False(done.IsSet);

        _exhausted.Value = false;
        Patience.Wait(done, "a thread");
        go.Set();
    }

    private sealed class Work(Action what) : IWork
    {
        public void Run()
        {
            try
            {
                what();
            }
            catch (ObjectDisposedException)
            {
                // The test is over, with its gates.
            }
        }
    }

    /// <summary>Latches, and knows which threads wait.</summary>
    private sealed class CountingWaiter : IWorkWaiter
    {
        private readonly object _changed = new();
        private readonly HashSet<Thread> _seen = [];
        private int _waiting;
        private bool _woken;

        public IWork? Wait()
        {
            lock (_changed)
            {
                _seen.Add(Thread.CurrentThread);
                _waiting++;
                Monitor.PulseAll(_changed);
                while (!_woken)
                {
                    Monitor.Wait(_changed);
                }

                _woken = false;
                _waiting--;
                Monitor.PulseAll(_changed);
                return null;
            }
        }

        public void Wake()
        {
            lock (_changed)
            {
                _woken = true;
                Monitor.PulseAll(_changed);
            }
        }

        public void WaitForWaiting(int count) =>
            Patience.WaitUntil(_changed, () => count == 0 ? _waiting == 0 : _waiting >= count, () => $"{count} threads that wait, {_waiting} do");

        public void WaitForThreads(int most) =>
            Assert.True(SpinWait.SpinUntil(
                () =>
                {
                    lock (_changed)
                    {
                        return _seen.Count(thread => thread.IsAlive) <= most;
                    }
                },
                Patience.Limit), "Threads do not go.");
    }
}
