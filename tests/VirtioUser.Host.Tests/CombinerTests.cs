// The order and the turns of a combiner.
using System.Collections.Concurrent;
using VirtioUser.Host.Tests.Support;

namespace VirtioUser.Host.Tests;

public class CombinerTests
{
    [Fact]
    public void Each_threads_items_are_handled_once_and_in_order_by_one_thread_at_a_time()
    {
        const int threads = 4, each = 20_000;
        var combiner = new Recorder();
        combiner.Resume();

        Parallel.For(0, threads, thread =>
        {
            for (var i = 0; i < each; i++)
            {
                combiner.Post((thread, i));
            }
        });
        combiner.Suspend(); // whoever is at it finishes its item first
        combiner.Resume();

        Patience.WaitUntil(combiner.Handled, () => combiner.Handled.Count == threads * each, () => $"all items, {combiner.Handled.Count} came");
        Assert.Empty(combiner.Faults);
        Assert.All(combiner.Handled.GroupBy(item => item.Thread), items => Assert.Equal(Enumerable.Range(0, each), items.Select(item => item.Number)));
    }

    [Fact]
    public void A_new_combiner_keeps_items_until_it_is_resumed()
    {
        var combiner = new Recorder();
        combiner.Post((0, 0));
        combiner.Post((0, 1));
        combiner.Pump();
        Assert.Empty(combiner.Handled);

        combiner.Resume();

        Assert.Equal([(0, 0), (0, 1)], combiner.Handled);
    }

    [Fact]
    public void Suspending_succeeds_while_others_post_without_end_and_nothing_is_handled_until_resumed()
    {
        var combiner = new Recorder();
        combiner.Resume();
        using var stop = new CancellationTokenSource();
        var posters = Enumerable.Range(0, 3).Select(thread => new Thread(() =>
        {
            for (var i = 0; !stop.IsCancellationRequested; i++)
            {
                combiner.Post((thread, i));
            }
        })).ToList();
        posters.ForEach(poster => poster.Start());

        for (var round = 0; round < 200; round++)
        {
            combiner.Suspend();
            combiner.Forbidden = true;
            Thread.Yield();
            combiner.Forbidden = false;
            combiner.Resume();
        }

        stop.Cancel();
        posters.ForEach(poster => poster.Join());
        Assert.Empty(combiner.Faults);
    }

    [Fact]
    public void An_item_that_cannot_be_handled_stays_first()
    {
        var combiner = new Recorder { Blocked = true };
        combiner.Resume();
        combiner.Post((0, 0));
        combiner.Post((0, 1));
        Assert.Empty(combiner.Handled);
        Assert.True(combiner.IsBlocked);

        combiner.Blocked = false;
        combiner.Pump();

        Assert.Equal([(0, 0), (0, 1)], combiner.Handled);
        Assert.False(combiner.IsBlocked);
    }

    [Fact]
    public void One_who_posts_does_not_work_for_the_others_for_ever()
    {
        var combiner = new Recorder();
        for (var i = 0; i < 100_000; i++)
        {
            combiner.Post((0, i));
        }

        var poster = new Thread(combiner.Resume); // far more than one turn: another thread goes on with it
        poster.Start();

        Patience.WaitUntil(combiner.Handled, () => combiner.Handled.Count == 100_000, () => "the rest");
        Assert.True(combiner.Threads.Count > 1);
        Assert.False(combiner.WasOnPool); // devices may keep every thread of the pool
        Assert.Equal(Enumerable.Range(0, 100_000), combiner.Handled.Select(item => item.Number));
    }

    private sealed class Recorder : Combiner<(int Thread, int Number)>
    {
        private readonly OneAtATime _handling;

        public Recorder() => _handling = new("TryHandle", Faults);

        public ConcurrentQueue<string> Faults { get; } = new();

        public List<(int Thread, int Number)> Handled { get; } = [];

        public HashSet<int> Threads { get; } = [];

        public bool WasOnPool { get; private set; }

        public volatile bool Forbidden;

        public volatile bool Blocked;

        protected override bool TryHandle(in (int Thread, int Number) item)
        {
            _handling.Enter();
            if (Forbidden)
            {
                Faults.Enqueue("an item was handled while suspended");
            }

            var handled = !Blocked;
            if (handled)
            {
                lock (Handled)
                {
                    Handled.Add(item);
                    Threads.Add(Environment.CurrentManagedThreadId);
                    WasOnPool |= Thread.CurrentThread.IsThreadPoolThread;
                }
            }

            _handling.Leave();
            return handled;
        }

        protected override void Flush()
        {
            lock (Handled)
            {
                Monitor.PulseAll(Handled);
            }
        }
    }
}
