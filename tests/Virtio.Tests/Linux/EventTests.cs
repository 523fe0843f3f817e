// eventfd and epoll.
using Virtio.Linux;
using Xunit;

namespace Virtio.Tests.Linux;

public class EventTests
{
    [Fact]
    public void Signals_add_up_and_are_consumed_at_once()
    {
        using var signal = EventFd.Create();
        Assert.False(signal.TryConsume());
        signal.Signal();
        signal.Signal();
        Assert.True(signal.Wait(0));
        Assert.True(signal.TryConsume());
        Assert.False(signal.TryConsume());
        Assert.False(signal.Wait(0));
    }

    [Fact]
    public void A_duplicate_that_comes_from_elsewhere_is_the_same_signal()
    {
        using var signal = EventFd.Create();
        using var other = EventFd.FromDescriptor(signal.Descriptor.Duplicate());
        other.Signal();
        Assert.True(signal.TryConsume());
    }

    [Fact]
    public void What_is_no_eventfd_is_refused_and_closed()
    {
        ProcessResources.AssertNothingLeaks(() =>
        {
            var memory = MemFd.Create("no-event", 4096);
            Assert.Throws<ArgumentException>(() => EventFd.FromDescriptor(memory));
            Assert.True(memory.IsClosed);
        });
    }

    [Fact]
    public void A_closed_eventfd_cannot_be_signalled()
    {
        var signal = EventFd.Create();
        signal.Dispose();
        Assert.Throws<ObjectDisposedException>(signal.Signal);
    }

    [Fact]
    public void A_wait_reports_the_tokens_of_what_is_ready()
    {
        using var poll = new EventPoll();
        using EventFd one = EventFd.Create(), two = EventFd.Create(), three = EventFd.Create();
        poll.Add(one.Descriptor, 0xfedcba9876543210);
        poll.Add(two.Descriptor, 2);
        poll.Add(three.Descriptor, 3);
        var ready = new ReadyDescriptor[8];
        Assert.Equal(0, poll.Wait(ready, 0));

        one.Signal();
        three.Signal();
        var count = poll.Wait(ready);
        Assert.Equal([3UL, 0xfedcba9876543210], ready.Take(count).Select(one => one.Token).Order());
        Assert.All(ready.Take(count), one => Assert.Equal(PollEvents.In, one.Events));

        poll.Remove(one.Descriptor);
        Assert.Equal(1, poll.Wait(ready));
        Assert.Equal(3UL, ready[0].Token);
    }

    [Fact]
    public void A_wait_with_room_for_one_reports_the_others_later()
    {
        using var poll = new EventPoll();
        using EventFd one = EventFd.Create(), two = EventFd.Create();
        poll.Add(one.Descriptor, 1);
        poll.Add(two.Descriptor, 2);
        one.Signal();
        two.Signal();
        var ready = new ReadyDescriptor[1];
        Assert.Equal(1, poll.Wait(ready));
        var first = ready[0].Token;
        (first == 1 ? one : two).TryConsume();
        Assert.Equal(1, poll.Wait(ready));
        Assert.Equal(3 - first, ready[0].Token);
    }

    [Fact]
    public void A_waiting_thread_is_woken_from_another()
    {
        using var poll = new EventPoll();
        using var signal = EventFd.Create();
        poll.Add(signal.Descriptor, 1);
        var woken = 0;
        var waiter = new Thread(() => woken = poll.Wait(new ReadyDescriptor[1], 30_000));
        waiter.Start();
        signal.Signal();
        waiter.Join();
        Assert.Equal(1, woken);
    }

    [Fact]
    public void An_edge_triggered_descriptor_is_reported_once_for_the_signals_between_two_waits_without_being_consumed()
    {
        using var poll = new EventPoll();
        using EventFd early = EventFd.Create(), signal = EventFd.Create();
        early.Signal();
        poll.Add(early.Descriptor, 1, edgeTriggered: true);
        poll.Add(signal.Descriptor, 2, edgeTriggered: true);
        var ready = new ReadyDescriptor[8];
        Assert.Equal(1, poll.Wait(ready, 0)); // it was signalled before it was added
        Assert.Equal(1UL, ready[0].Token);
        Assert.Equal(0, poll.Wait(ready, 0));

        for (var i = 0; i < 3; i++)
        {
            signal.Signal();
            signal.Signal();
            Assert.Equal(1, poll.Wait(ready));
            Assert.Equal(new ReadyDescriptor(2, PollEvents.In), ready[0]);
            Assert.Equal(0, poll.Wait(ready, 0));
        }
    }

    [Fact]
    public void No_edge_is_missed_by_one_who_looks_before_each_wait()
    {
        // Two threads pass a number to and fro, each over a descriptor of its own and, by turns, over a second one.
        const int rounds = 50_000;
        var number = 0;
        using EventFd toA = EventFd.Create(), alsoToA = EventFd.Create(), toB = EventFd.Create(), alsoToB = EventFd.Create();
        var other = new Thread(() => Pass(1, toB, alsoToB, toA, alsoToA));
        other.Start();
        Pass(0, toA, alsoToA, toB, alsoToB);
        other.Join();
        Assert.Equal(rounds, number);

        void Pass(int parity, EventFd mine, EventFd alsoMine, EventFd theirs, EventFd alsoTheirs)
        {
            using var poll = new EventPoll();
            poll.Add(mine.Descriptor, 1, edgeTriggered: true);
            poll.Add(alsoMine.Descriptor, 2, edgeTriggered: true);
            var ready = new ReadyDescriptor[2];
            for (var next = parity; next < rounds; next += 2)
            {
                while (Volatile.Read(ref number) != next)
                {
                    Assert.NotEqual(0, poll.Wait(ready, 30_000));
                }

                Volatile.Write(ref number, next + 1);
                (next % 6 < 2 ? alsoTheirs : theirs).Signal();
            }
        }
    }

    [Fact]
    public async Task The_end_of_a_set_ends_the_wait_of_a_thread_that_is_just_about_to_wait()
    {
        const int rounds = 5_000, threads = 3; // the moment in question is between two instructions
        using var round = new Barrier(threads + 1);
        EventPoll? poll = null;
        var waits = Enumerable.Range(0, threads).Select(_ => Start(() =>
        {
            var ready = new ReadyDescriptor[1];
            for (var i = 0; i < rounds; i++)
            {
                round.SignalAndWait();
                Assert.Equal(0, poll!.Wait(ready));
                round.SignalAndWait();
            }
        }));
        var ends = Start(() =>
        {
            var random = new Random(1);
            for (var i = 0; i < rounds; i++)
            {
                poll = new EventPoll();
                round.SignalAndWait();
                Thread.SpinWait(random.Next(200));
                poll.Wake();
                poll.Dispose();
                poll.Dispose();
                round.SignalAndWait();
            }
        });

        await Task.WhenAll([ends, .. waits]).WaitAsync(TimeSpan.FromMinutes(2), TestContext.Current.CancellationToken);

        static Task Start(Action action) =>
            Task.Factory.StartNew(action, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    [Fact]
    public void A_wake_up_ends_one_wait_also_when_it_comes_first()
    {
        using var poll = new EventPoll();
        var ready = new ReadyDescriptor[1];
        poll.Wake();
        Assert.Equal(0, poll.Wait(ready));
        using var signal = EventFd.Create();
        poll.Add(signal.Descriptor, 1);
        signal.Signal();
        Assert.Equal(1, poll.Wait(ready));
    }

    [Fact]
    public void Adding_twice_and_removing_what_is_not_there_fail()
    {
        using var poll = new EventPoll();
        using var signal = EventFd.Create();
        poll.Add(signal.Descriptor, 1);
        Assert.Equal(Errno.EEXIST, Assert.Throws<LinuxException>(() => poll.Add(signal.Descriptor, 2)).Errno);
        poll.Remove(signal.Descriptor);
        Assert.Equal(Errno.ENOENT, Assert.Throws<LinuxException>(() => poll.Remove(signal.Descriptor)).Errno);
    }
}
