// The config queues as their driver works them: several exchanges of request and reply at a time.
using System.Runtime.InteropServices;
using Virtio.Linux;
using Virtio.Queues;
using Virtio.VhostUser;
using VirtioUser.Protocol;

namespace VirtioUser.Guest.Direct;

/// <summary>What came of a config exchange.</summary>
internal enum ExchangeOutcome
{
    /// <summary>A reply to this request.</summary>
    Answered,

    /// <summary>The host replied, and the reply is none to this request.</summary>
    Nonsense,

    /// <summary>The host is gone, or as good as gone.</summary>
    Lost,
}

/// <summary>
/// Sends requests, in order, and waits for their replies, which may overtake each other: a tag tells whose a reply is. One of the
/// threads that wait leads: it sleeps until the host calls, and hands the replies out. Requests that nobody waits for are posted: a
/// thread of the pool sends them, or whoever has a request next. Thread-safe.
/// </summary>
internal sealed class ConfigExchange : IDisposable
{
    /// <summary>How many requests are in flight at the most: less than the host takes.</summary>
    public const ushort MaxInFlight = 32;

    private readonly object _lock = new();
    private readonly RemoteQueue _requests;
    private readonly RemoteQueue _replies;
    private readonly DriverMemory _memory;
    private readonly GuestBuffer[] _requestBuffers = new GuestBuffer[MaxInFlight];
    private readonly GuestBuffer[] _replyBuffers = new GuestBuffer[MaxInFlight];
    private readonly Stack<int> _free = new();
    private readonly List<Exchange> _inFlight = []; // the oldest first
    private readonly EventPoll _poll = new();
    private readonly Queue<ConfigMessage> _posted = new();
    private ulong _lastTag;
    private bool _isSending; // what is posted; guarded by that queue
    private bool _leads;
    private bool _lost;
    private bool _closed;

    /// <summary>Makes it for a device that is started.</summary>
    public ConfigExchange(RemoteDevice device)
    {
        (_requests, _replies, _memory) = (device.Queues[Limits.ConfigTxQueue], device.Queues[Limits.ConfigRxQueue], device.Memory);
        for (var i = 0; i < MaxInFlight; i++)
        {
            (_requestBuffers[i], _replyBuffers[i]) = (_memory.Allocate(ConfigMessage.Size), _memory.Allocate(ConfigMessage.Size));
            _free.Push(i);
            _replies.Driver.TryAdd([], [_replyBuffers[i]], (ulong)i);
        }

        _poll.Add(_replies.Call.Descriptor, 0);
        _poll.Add(device.Connection, 1, PollEvents.None);
    }

    /// <summary>Sends a request and waits for its reply.</summary>
    /// <param name="request">The request; its tag is chosen here.</param>
    /// <param name="reply">The reply; its <see cref="ConfigMessage.Error"/> is the caller's to look at.</param>
    public ExchangeOutcome Ask(in ConfigMessage request, out ConfigMessage reply)
    {
        var isInterrupted = false;
        Exchange exchange;
        using (Gate.Enter(_lock))
        {
            exchange = Run(in request, ref isInterrupted);
            if (exchange is { IsBehindPosted: true, Reply.Error: ConfigError.AllocationFailed } && TryWaitForPosted(exchange, ref isInterrupted))
            {
                exchange = Run(in request, ref isInterrupted); // what the program has closed before has its room back now
            }
        }

        Reinterrupt(isInterrupted);
        reply = exchange.Reply;
        return exchange.Outcome ?? ExchangeOutcome.Lost;
    }

    /// <summary>Has a request sent whose reply nobody wants, before any that is made later. Does not wait.</summary>
    public void Post(in ConfigMessage request)
    {
        using (Gate.Enter(_posted))
        {
            _posted.Enqueue(request);
            if (_isSending)
            {
                return;
            }

            _isSending = true;
        }

        // Not here: a host that blocks kicks could keep this thread until the connection ends.
        ThreadPool.UnsafeQueueUserWorkItem(static exchange => exchange.SendWhatIsPosted(), this, preferLocal: false);
    }

    /// <summary>The memory is about to go: nothing is touched from now on. The connection must be over.</summary>
    public void Dispose()
    {
        var isInterrupted = false;
        using (Gate.Enter(_lock))
        {
            _closed = true;
            Monitor.PulseAll(_lock);
            while (_leads)
            {
                WaitForPulse(ref isInterrupted); // of a thread that has seen the end of the connection, or will
            }

            _poll.Dispose();
        }

        Reinterrupt(isInterrupted);
    }

    private Exchange Run(in ConfigMessage request, ref bool isInterrupted)
    {
        var exchange = new Exchange(in request, isPosted: false);
        var isSent = false;
        do
        {
            isSent = isSent || (TrySendPosted() && TrySend(exchange));
        }
        while (exchange.Outcome is null && TryWait(ref isInterrupted));
        return exchange;
    }

    /// <summary>Waits until what was posted before an exchange is answered.</summary>
    /// <returns>False if the connection is over.</returns>
    private bool TryWaitForPosted(Exchange exchange, ref bool isInterrupted)
    {
        while (_inFlight.Exists(each => each.IsPosted && each.Request.Tag < exchange.Request.Tag))
        {
            if (!TryWait(ref isInterrupted))
            {
                return false;
            }
        }

        return true;
    }

    private void SendWhatIsPosted()
    {
        var isInterrupted = false;
        using (Gate.Enter(_lock))
        {
            do
            {
                while (!TrySendPosted() && TryWait(ref isInterrupted))
                {
                }
            }
            while (!TryEndSending());
        }
    }

    /// <returns>False if something was posted meanwhile.</returns>
    private bool TryEndSending()
    {
        using (Gate.Enter(_posted))
        {
            _isSending = _posted.Count > 0 && !_lost && !_closed;
            return !_isSending;
        }
    }

    /// <summary>Sends what is posted, as far as there is room.</summary>
    /// <returns>Whether nothing is left.</returns>
    private bool TrySendPosted()
    {
        while (true)
        {
            ConfigMessage request;
            using (Gate.Enter(_posted))
            {
                if (!_posted.TryPeek(out request))
                {
                    return true;
                }
            }

            if (!TrySend(new Exchange(in request, isPosted: true)))
            {
                return false;
            }

            using (Gate.Enter(_posted))
            {
                _posted.Dequeue(); // only who is in the lock takes something out
            }
        }
    }

    private bool TrySend(Exchange exchange)
    {
        if (_closed || _lost)
        {
            return false;
        }

        try
        {
            while (_requests.Driver.TryReclaim(out var returned, out _))
            {
                _free.Push((int)returned);
            }

            if (_inFlight.Count == MaxInFlight || !_free.TryPop(out var slot))
            {
                _lost |= _inFlight.Count == 0; // the host answered again and again, and kept every entry
                return false;
            }

            exchange.Request.Tag = ++_lastTag;
            exchange.IsBehindPosted = _inFlight.Exists(each => each.IsPosted);
            MemoryMarshal.Write(_memory.GetSpan(_requestBuffers[slot]), in exchange.Request);
            _requests.Driver.TryAdd([_requestBuffers[slot]], [], (ulong)slot);
            _inFlight.Add(exchange);
            _requests.KickIfWanted();
            return true;
        }
        catch (QueueException)
        {
            _lost = true;
            return false;
        }
    }

    /// <summary>Waits until something may have changed: as the leader, or for what the leader does. In the lock, which is left meanwhile.</summary>
    /// <param name="isInterrupted">Set if the thread was interrupted: the exchange goes on all the same.</param>
    /// <returns>False if the connection is over.</returns>
    private bool TryWait(ref bool isInterrupted)
    {
        if (_closed || _lost)
        {
            return false;
        }

        if (_leads)
        {
            WaitForPulse(ref isInterrupted);
            return !_closed && !_lost;
        }

        try
        {
            if (Collect() || _replies.Driver.EnableCalls())
            {
                return true;
            }
        }
        catch (QueueException)
        {
            _lost = true;
        }

        if (!_lost)
        {
            Lead();
        }

        Monitor.PulseAll(_lock);
        return !_closed && !_lost;
    }

    /// <summary>Sleeps until the host calls, or the connection is over.</summary>
    private void Lead()
    {
        _leads = true;
        Monitor.Exit(_lock);
        var isThere = WaitForCall();
        using (Gate.Enter(_lock))
        {
            // Twice, of which one is left to the caller.
            Monitor.Enter(_lock);
        }

        _leads = false;
        _lost |= !isThere;
    }

    private bool WaitForCall()
    {
        Span<ReadyDescriptor> ready = stackalloc ReadyDescriptor[2];
        foreach (var each in ready[.._poll.Wait(ready)])
        {
            if (each.Token != 0)
            {
                return false;
            }
        }

        _replies.Call.TryConsume();
        return true;
    }

    /// <summary>Takes replies, and offers their buffers again.</summary>
    /// <returns>Whether there were any.</returns>
    private bool Collect()
    {
        var any = false;
        while (_replies.Driver.TryReclaim(out var slot, out var written))
        {
            any = true;
            var buffer = _replyBuffers[(int)slot];
            var reply = ConfigMessage.Read(_memory.GetSpan(buffer)); // the one copy: what is checked is what is used
            _replies.Driver.TryAdd([], [buffer], slot);
            Settle(written == ConfigMessage.Size, in reply);
        }

        if (any)
        {
            _replies.KickIfWanted();
            Monitor.PulseAll(_lock);
        }

        return any;
    }

    private void Settle(bool isWhole, in ConfigMessage reply)
    {
        var tag = reply.Tag;
        var index = isWhole ? _inFlight.FindIndex(each => each.Request.Tag == tag) : -1;
        if (index < 0 && _inFlight.Count == 0)
        {
            return; // nobody has asked
        }

        // One that names nobody is taken for the answer to the oldest, which would wait for ever otherwise.
        var exchange = _inFlight[Math.Max(index, 0)];
        _inFlight.RemoveAt(Math.Max(index, 0));
        exchange.Reply = reply;
        exchange.Outcome = index >= 0 && reply.Operation == exchange.Request.Operation ? ExchangeOutcome.Answered : ExchangeOutcome.Nonsense;
    }

    private void WaitForPulse(ref bool isInterrupted)
    {
        try
        {
            Monitor.Wait(_lock);
        }
        catch (ThreadInterruptedException)
        {
            isInterrupted = true;
        }
    }

    /// <summary>An interrupt takes effect at the thread's next wait.</summary>
    private static void Reinterrupt(bool isInterrupted)
    {
        if (isInterrupted)
        {
            Thread.CurrentThread.Interrupt();
        }
    }

    /// <summary>A request and what came of it.</summary>
    private sealed class Exchange(in ConfigMessage request, bool isPosted)
    {
        private ConfigMessage _request = request;

        public ref ConfigMessage Request => ref _request;

        public bool IsPosted => isPosted;

        public bool IsBehindPosted { get; set; }

        public ConfigMessage Reply { get; set; }

        public ExchangeOutcome? Outcome { get; set; }
    }
}
