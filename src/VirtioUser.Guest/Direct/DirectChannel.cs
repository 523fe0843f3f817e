// An instance that was opened straight through a daemon's socket.
using Virtio.Linux;
using Virtio.Queues;
using VirtioUser.Guest.Channels;
using VirtioUser.Protocol;

namespace VirtioUser.Guest.Direct;

/// <summary>One instance among those of a <see cref="HostConnection"/>; behaves as a file of the guest driver does.</summary>
internal sealed partial class DirectChannel(HostConnection host, DeviceIdentity identity, ulong handle) : DeviceChannel
{
    // How long a ping waits for its own answer before the wait becomes one that can be interrupted.
    private const int CatchMilliseconds = 20;

    private readonly object _sync = new();
    private readonly InstanceEvents _events = new();
    private int _version;
    private int _sleepers;
    private bool _leads;

    // Of the one thread that leads, while it waits for the answer to its own ping.
    private bool _catches;
    private uint _caught;

    public override DeviceIdentity Identity => identity;

    /// <summary>The instance's handle.</summary>
    public ulong Handle => handle;

    /// <summary>How many of its pings are in the ring. Under the lock of the ring.</summary>
    public int InFlight { get; set; }

    /// <summary>Whether no ping of it is taken any more. Under the lock of the ring.</summary>
    public bool IsRetired { get; set; }

    /// <summary>Changes whenever a wish may have come true.</summary>
    public int Version => Volatile.Read(ref _version);

    /// <summary>Whether the answer that <see cref="Ping"/> waits for has come, or never will.</summary>
    public bool IsAnswered => !_catches || host.IsGone || _events.Ended;

    /// <summary>Whether nothing of it is in the ping ring.</summary>
    public bool IsDrained
    {
        get
        {
            try
            {
                return host.IsGone || host.Pings.IsDrained(this);
            }
            catch (QueueException)
            {
                host.NoteGone();
                return true;
            }
        }
    }

    public override Interrupt CreateInterrupt() => new DirectInterrupt(Notify);

    public override int Send(ReadOnlySpan<PingRequest> pings)
    {
        host.Pump.TakeIfNobodyLeads(); // the instance may have ended
        ThrowIfOver("ping");
        return Send(pings, reserved: false);
    }

    public override PingOutcome Ping(in PingRequest ping, out uint answer)
    {
        if (!host.Pump.TryLead())
        {
            answer = 0;
            return PingOutcome.NotSent;
        }

        bool sent = false, caught;
        try
        {
            host.Pump.Take();
            sent = TryBeginCatching() && Send(new ReadOnlySpan<PingRequest>(in ping), reserved: true) == 1;
            if (sent)
            {
                host.Pump.Lead(this, new AnswerWish(this), CatchMilliseconds);
            }
        }
        finally
        {
            caught = EndCatching(sent, out answer);
            host.Pump.LeadNoMore();
            host.Pump.PassOn();
        }

        return caught ? PingOutcome.Answered : sent ? PingOutcome.Sent : PingOutcome.NotSent;
    }

    public override Reception Receive(Span<uint> revents, out int count)
    {
        var reception = Take(revents, out count);
        if (reception != Reception.Nothing)
        {
            return reception;
        }

        // Perhaps nobody waits, and so nobody takes events from the ring or notices that the daemon is gone.
        host.Pump.TakeIfNobodyLeads();
        host.CheckIsGone();
        reception = Take(revents, out count);
        if (reception == Reception.Nothing)
        {
            ThrowIfOver("read");
        }

        return reception;
    }

    public override PollEvents Wait(PollEvents events, Interrupt interrupt)
    {
        var direct = (DirectInterrupt)interrupt;
        host.Pump.WaitFor(this, new ReadinessWish(this, events, direct));
        return direct.TryConsume() ? PollEvents.None : Ready(events);
    }

    /// <summary>What of <paramref name="wanted"/> would succeed, or fail at once.</summary>
    public PollEvents Ready(PollEvents wanted)
    {
        var ready = PollEvents.None;
        bool hasPlace;
        using (Gate.Enter(_sync))
        {
            if (host.IsGone || _events.Ended)
            {
                return wanted;
            }

            if (_events.IsReadable)
            {
                ready |= wanted & PollEvents.In;
            }

            hasPlace = _events.HasPlace;
        }

        try
        {
            if (hasPlace && (wanted & PollEvents.Out) != 0 && host.Pings.CanSend(this))
            {
                ready |= PollEvents.Out;
            }
        }
        catch (QueueException)
        {
            host.NoteGone();
            return wanted;
        }

        return ready;
    }

    /// <summary>Takes an answer's place in the instance's queue. Under the lock of the ring.</summary>
    public bool TryReserveAnswer()
    {
        using (Gate.Enter(_sync))
        {
            return _events.TryReserve();
        }
    }

    /// <summary>Takes an event that came for it. Called by the leader.</summary>
    public void Deliver(uint revents)
    {
        if (_catches && Revents.IsAnswer(revents))
        {
            (_catches, _caught) = (false, revents);
            return;
        }

        using (Gate.Enter(_sync))
        {
            _events.Add(revents);
            _version++;
            if (_sleepers > 0)
            {
                Monitor.PulseAll(_sync);
            }
        }
    }

    /// <summary>Makes whoever waits look again. Any thread.</summary>
    public void Notify()
    {
        using (Gate.Enter(_sync))
        {
            Changed();
        }
    }

    /// <summary>Sleeps until something changes after <paramref name="seen"/>, or the time is over.</summary>
    /// <param name="seen">A value of <see cref="Version"/>.</param>
    /// <param name="end">In milliseconds of <see cref="Environment.TickCount64"/>.</param>
    public void SleepUnless(int seen, long end)
    {
        using (Gate.Enter(_sync))
        {
            _sleepers++;
            try
            {
                while (_version == seen)
                {
                    var left = end == long.MaxValue ? Timeout.Infinite : (int)Math.Max(0, end - Environment.TickCount64);
                    if (left == 0 || !Monitor.Wait(_sync, left))
                    {
                        break;
                    }
                }
            }
            finally
            {
                _sleepers--;
            }
        }
    }

    /// <summary>A thread that waits for this instance leads: notifications must wake it.</summary>
    public void BeginLeading()
    {
        using (Gate.Enter(_sync))
        {
            _leads = true;
        }
    }

    /// <summary>It leads no more.</summary>
    public void EndLeading()
    {
        using (Gate.Enter(_sync))
        {
            _leads = false;
        }
    }

    protected override void Close() => host.Close(this);

    private int Send(ReadOnlySpan<PingRequest> pings, bool reserved)
    {
        try
        {
            return host.Pings.Send(this, pings, reserved);
        }
        catch (QueueException e)
        {
            host.NoteGone();
            throw new VirtioUserException(identity.ToString(), "ping", Errno.ENODEV, e);
        }
    }

    /// <summary>From here on the leader, who is the caller, takes the next answer out of what it delivers.</summary>
    private bool TryBeginCatching()
    {
        using (Gate.Enter(_sync))
        {
            return _catches = _leads = _events.IsQuiet && !_events.Ended && !host.IsGone;
        }
    }

    /// <summary>The end of it. Still the leader, so that no answer comes in between.</summary>
    private bool EndCatching(bool sent, out uint answer)
    {
        using (Gate.Enter(_sync))
        {
            var caught = sent && !_catches;
            if (sent && !caught)
            {
                _events.Await();
            }

            _catches = _leads = false;
            answer = _caught;
            return caught;
        }
    }

    private Reception Take(Span<uint> revents, out int count)
    {
        count = 0;
        if (host.IsGone)
        {
            return Reception.Nothing;
        }

        using (Gate.Enter(_sync))
        {
            var reception = _events.Take(revents, out count);
            if (reception != Reception.Nothing)
            {
                Changed();
            }

            return reception;
        }
    }

    private void Changed()
    {
        _version++;
        if (_sleepers > 0)
        {
            Monitor.PulseAll(_sync);
        }

        if (_leads)
        {
            host.Pump.WakeLeader();
        }
    }

    private void ThrowIfOver(string operation)
    {
        if (host.IsGone)
        {
            throw new VirtioUserException(identity.ToString(), operation, Errno.ENODEV);
        }

        bool ended;
        using (Gate.Enter(_sync))
        {
            ended = _events.Ended;
        }

        if (ended)
        {
            throw new VirtioUserException(identity.ToString(), operation, Errno.EIO);
        }
    }
}
