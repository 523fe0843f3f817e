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

        combiner.WaitFor(2);
        Assert.Equal([(0, 0), (0, 1)], combiner.Handled);
    }

    [Fact]
    public void One_who_resumes_handles_nothing_itself_and_does_not_wait_for_what_blocks()
    {
        var combiner = new Recorder();
        using var go = new ManualResetEventSlim();
        combiner.Gate = go;
        combiner.Post((0, 0));

        combiner.Resume(); // must return

        combiner.Post((0, 1)); // nor does one who posts wait, or overtake
        go.Set();
        combiner.WaitFor(2);
        Assert.Equal([(0, 0), (0, 1)], combiner.Handled);
        Assert.DoesNotContain(Environment.CurrentManagedThreadId, combiner.Threads);
    }

    [Fact]
    public void Items_that_came_while_it_was_suspended_are_not_overtaken_by_later_ones()
    {
        var combiner = new Recorder();
        combiner.Resume();
        for (var round = 0; round < 2000; round++)
        {
            combiner.Suspend();
            combiner.Post((0, 2 * round));
            combiner.Resume();
            combiner.Post((0, (2 * round) + 1));
        }

        combiner.WaitFor(4000);
        Assert.Equal(Enumerable.Range(0, 4000), combiner.Handled.Select(item => item.Number));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void An_exception_does_not_keep_the_turn(bool inFlush)
    {
        var combiner = new Recorder();
        combiner.Resume();
        combiner.Post((0, 0));
        combiner.WaitFor(1);

        (combiner.ThrowsAt, combiner.FlushThrows) = (inFlush ? -1 : 1, inFlush);
        Assert.Throws<InvalidOperationException>(() => combiner.Post((0, 1)));
        combiner.Post((0, 2));

        combiner.WaitFor(inFlush ? 3 : 2);
        Assert.Equal(inFlush ? [0, 1, 2] : [0, 2], combiner.Handled.Select(item => item.Number));
        combiner.Suspend(); // must return
    }

    [Fact]
    public async Task What_others_left_to_a_thread_that_threw_is_handled()
    {
        var combiner = new Recorder();
        combiner.Resume();
        combiner.Post((0, 0));
        combiner.WaitFor(1);
        using var go = new ManualResetEventSlim();
        combiner.Gate = go;
        combiner.ThrowsAt = 1;
        var thrower = Task.Factory.StartNew(
            () => combiner.Post((0, 1)), TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        Patience.Wait(combiner.AtGate, "the item that throws");
        combiner.Post((0, 2)); // left to the thread at the gate

        go.Set();

        combiner.WaitFor(2);
        Assert.Equal([0, 2], combiner.Handled.Select(item => item.Number));
        await Assert.ThrowsAsync<InvalidOperationException>(() => Patience.Await(thrower));
    }

    [Fact]
    public void What_was_handled_is_not_kept_alive()
    {
        var combiner = new Keeper();
        var (posted, waited) = Fill(combiner);

        Patience.WaitUntilCollected(posted);
        Patience.WaitUntilCollected(waited);
        GC.KeepAlive(combiner);

        [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        static (WeakReference Posted, WeakReference Waited) Fill(Keeper combiner)
        {
            object waited = new(), posted = new();
            combiner.Post(waited);
            combiner.Resume();
            Patience.Wait(combiner.HandledOne, "the item");
            combiner.Suspend();
            combiner.Resume();
            combiner.Post(posted);
            return (new WeakReference(posted), new WeakReference(waited));
        }
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

        combiner.Resume(); // far more than one turn: yet another thread goes on with it

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

        public volatile bool FlushThrows;

        public volatile int ThrowsAt = -1;

        /// <summary>Where each item waits.</summary>
        public ManualResetEventSlim? Gate { get; set; }

        /// <summary>Set once an item has come to the gate.</summary>
        public ManualResetEventSlim AtGate { get; } = new();

        /// <summary>Waits until as many items are handled.</summary>
        public void WaitFor(int count) => Patience.WaitUntil(Handled, () => Handled.Count >= count, () => $"{count} items, {Handled.Count} came");

        protected override bool TryHandle(in (int Thread, int Number) item)
        {
            _handling.Enter();
            if (Forbidden)
            {
                Faults.Enqueue("an item was handled while suspended");
            }

            AtGate.Set();
            Gate?.Wait();
            if (item.Number == ThrowsAt)
            {
                _handling.Leave();
                throw new InvalidOperationException("not this one");
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
            if (FlushThrows)
            {
                FlushThrows = false;
                throw new InvalidOperationException("not now");
            }

            lock (Handled)
            {
                Monitor.PulseAll(Handled);
            }
        }
    }

    private sealed class Keeper : Combiner<object>
    {
        public ManualResetEventSlim HandledOne { get; } = new();

        protected override bool TryHandle(in object item) => true;

        protected override void Flush() => HandledOne.Set();
    }
}
