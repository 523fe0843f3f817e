// Who receives for all instances of a connection, and how everybody waits.
using Virtio.Linux;
using Virtio.Queues;
using VirtioUser.Protocol;

namespace VirtioUser.Guest.Direct;

/// <summary>
/// One of the threads that wait for something leads: it takes events from the ring and hands them to the instances. So
/// a lone thread that pings gets its answer without any change of threads. The others sleep until their instance is
/// notified, or until it is their turn to lead. Thread-safe; allocates nothing.
/// </summary>
internal sealed class EventPump : IDisposable
{
    private const int WakeUp = 2, HangUp = 3, Tokens = 4, MaxEventsATurn = 1024;

    private readonly HostConnection _host;
    private readonly EventRing _events;
    private readonly EventFd[] _signals;
    private readonly EventPoll _poll = new();
    private readonly List<DirectChannel> _sleeping = [];
    private readonly AdaptiveSpin _spin;
    private int _leading;
    private volatile int _sleepers;

    /// <summary>Makes it for rings that are started.</summary>
    /// <param name="host">Where events are handed out; told when the host is gone.</param>
    /// <param name="events">The event queue; only the leader touches it.</param>
    /// <param name="pollTime">The limit of how long the leader polls before it sleeps: see <see cref="AdaptiveSpin"/>.</param>
    public EventPump(HostConnection host, EventRing events, TimeSpan pollTime)
    {
        (_host, _events, _spin) = (host, events, new AdaptiveSpin(pollTime));
        _signals = [host.Device.Queues[Limits.EventQueue].Call, host.Device.Queues[Limits.PingQueue].Call, EventFd.Create()];
        for (var i = 0; i < _signals.Length; i++)
        {
            _poll.Add(_signals[i].Descriptor, (ulong)i, edgeTriggered: true);
        }

        _poll.Add(host.Device.Connection, HangUp, PollEvents.None);
    }

    /// <summary>Waits until a wish comes true.</summary>
    /// <param name="channel">The instance that is notified when it may have.</param>
    /// <param name="wish">The wish.</param>
    /// <param name="timeout">How long to wait, in milliseconds; -1 = for ever.</param>
    /// <returns>False if the time was over first.</returns>
    public bool WaitFor<TWish>(DirectChannel channel, in TWish wish, int timeout = -1)
        where TWish : struct, IWish
    {
        var end = timeout < 0 ? long.MaxValue : Environment.TickCount64 + timeout;
        try
        {
            while (true)
            {
                var seen = channel.Version;
                var fulfilled = wish.IsFulfilled;
                if (fulfilled || Environment.TickCount64 >= end)
                {
                    return fulfilled;
                }

                if (TryLead())
                {
                    LeadOnce(channel, in wish, end == long.MaxValue ? Timeout.Infinite : (int)Math.Max(0, end - Environment.TickCount64));
                }
                else
                {
                    Sleep(channel, seen, end);
                }
            }
        }
        finally
        {
            PassOn(); // also if the thread is interrupted: it may have been the one that was woken to lead
        }
    }

    /// <summary>Becomes the leader, if nobody is. Followed by <see cref="LeadNoMore"/>.</summary>
    public bool TryLead() => Volatile.Read(ref _leading) == 0 && Interlocked.CompareExchange(ref _leading, 1, 0) == 0;

    /// <summary>Does what the leader does, until a wish comes true or the time is over. Only for the leader.</summary>
    /// <param name="channel">The instance that is notified when it may have, and knows that it leads.</param>
    /// <param name="wish">The wish.</param>
    /// <param name="timeout">How long to lead, in milliseconds; -1 = for ever.</param>
    public void Lead<TWish>(DirectChannel channel, in TWish wish, int timeout)
        where TWish : struct, IWish
    {
        var wait = new SpinningWait(_spin);
        long end = 0;
        bool fulfilled;
        while (true)
        {
            Receive();
            fulfilled = wish.IsFulfilled || wait.Spin(new Arrival<TWish>(this, channel, in wish));
            if (fulfilled)
            {
                break;
            }

            // Whatever comes meanwhile: a host that sends without end must not keep a caller beyond its time.
            var mayBeThere = !TryArm();
            if (timeout >= 0)
            {
                var now = Environment.TickCount64;
                if (end == 0)
                {
                    end = now + timeout;
                }

                timeout = (int)Math.Max(0, end - now);
            }

            if (timeout == 0)
            {
                break;
            }

            if (!mayBeThere)
            {
                SleepAsLeader(timeout);
            }
        }

        wait.End(fulfilled);
    }

    /// <summary>Gives the lead up. A full fence: either a thread that is about to sleep sees that nobody leads, or <see cref="PassOn"/> sees that thread.</summary>
    public void LeadNoMore() => Interlocked.Exchange(ref _leading, 0);

    /// <summary>Takes what is there. Only for the leader.</summary>
    public void Take()
    {
        if (HasNext())
        {
            Receive();
        }
    }

    /// <summary>Takes what is there if nobody leads who would: for those who only look, and never wait.</summary>
    public void TakeIfNobodyLeads()
    {
        if (!TryLead())
        {
            return;
        }

        try
        {
            Take();
        }
        finally
        {
            LeadNoMore();
            PassOn();
        }
    }

    /// <summary>Wakes the leader, so that it looks at its wish again. Any thread.</summary>
    public void WakeLeader() => _signals[WakeUp].Signal();

    /// <summary>Lets one of those who sleep lead, if nobody does. Called by every thread that stops waiting.</summary>
    public void PassOn()
    {
        if (_sleepers == 0 || Volatile.Read(ref _leading) != 0)
        {
            return;
        }

        using (Gate.Enter(_sleeping))
        {
            if (_sleeping.Count > 0)
            {
                _sleeping[0].Notify();
            }
        }
    }

    /// <summary>Ends all leading: when this returns the rings are not touched any more. The host must be noted as gone.</summary>
    public void Dispose()
    {
        var spinner = default(SpinWait);
        while (!TryLead())
        {
            WakeLeader();
            spinner.SpinOnce(sleep1Threshold: -1); // a sleep could be interrupted
        }

        _poll.Dispose();
        _signals[WakeUp].Dispose();
    }

    private void LeadOnce<TWish>(DirectChannel channel, in TWish wish, int timeout)
        where TWish : struct, IWish
    {
        channel.BeginLeading();
        try
        {
            Lead(channel, in wish, timeout);
        }
        finally
        {
            channel.EndLeading();
            LeadNoMore();
        }
    }

    private void Sleep(DirectChannel channel, int seen, long end)
    {
        using (Gate.Enter(_sleeping))
        {
            _sleeping.Add(channel);
            Interlocked.Increment(ref _sleepers);
        }

        // A full fence is between the two, which pairs with the one in LeadNoMore: whoever stops leading after this
        // finds us in the list.
        try
        {
            if (Volatile.Read(ref _leading) != 0)
            {
                channel.SleepUnless(seen, end);
            }
        }
        finally
        {
            using (Gate.Enter(_sleeping))
            {
                _sleeping.Remove(channel);
                Interlocked.Decrement(ref _sleepers);
            }
        }
    }

    /// <summary>Takes what is there.</summary>
    /// <returns>Whether there was something.</returns>
    private bool Receive()
    {
        try
        {
            var count = 0;
            while (count < MaxEventsATurn && _events.TryTake(out var message))
            {
                _host.Deliver(message);
                count++;
            }

            if (_host.Pings.HasStarved)
            {
                _host.Pings.Collect();
            }

            return count > 0;
        }
        catch (QueueException)
        {
            _host.NoteGone();
            return true;
        }
    }

    private bool HasNext()
    {
        try
        {
            return _events.HasNext;
        }
        catch (QueueException)
        {
            _host.NoteGone();
            return true;
        }
    }

    private bool TryArm()
    {
        try
        {
            return _events.TryArm();
        }
        catch (QueueException)
        {
            _host.NoteGone();
            return false;
        }
    }

    private void SleepAsLeader(int timeout)
    {
        Span<ReadyDescriptor> ready = stackalloc ReadyDescriptor[Tokens];
        foreach (var each in ready[.._poll.Wait(ready, timeout)])
        {
            if (each.Token == HangUp)
            {
                _host.NoteGone();
            }
        }
    }

    /// <summary>Something arrived, and the wish came true.</summary>
    private readonly struct Arrival<TWish>(EventPump pump, DirectChannel channel, in TWish wish) : ISpinCondition
        where TWish : struct, IWish
    {
        private readonly TWish _wish = wish;
        private readonly int _seen = channel.Version;

        public bool Look() => ((pump.HasNext() && pump.Receive()) || channel.Version != _seen) && _wish.IsFulfilled;
    }
}
