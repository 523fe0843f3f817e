// Which config request runs when, and which reply waits for a buffer: the config rings, and what is between them.
using VirtioUser.Protocol;

namespace VirtioUser.Host.Config;

/// <summary>
/// Inside the config <see cref="Lane{T}"/> of a VM. One thread at a time looks after the rings; it leaves them for a request only when
/// both are empty and kicks are asked for, or another thread has been called. At most one call is outstanding.
/// </summary>
/// <remarks>
/// In flight is what was taken and whose reply is not in a buffer yet. What runs counts until it is over, also for a driver that is gone,
/// so the threads of a VM that hang in requests are bounded, however often its driver starts again.
/// </remarks>
internal sealed class ConfigSchedule
{
    // What is taken before the lane is free for a moment: each chain can be as long as the ring.
    private const int TakesATurn = 4, PutsATurn = 4;

    private readonly Queue<ConfigRequest> _ready = new();
    private readonly Dictionary<ulong, Queue<ConfigRequest>> _chains = []; // of each that has one ready or running: those behind it
    private readonly Queue<(ConfigRequest Request, ConfigMessage Reply)> _replies = new();
    private readonly HashSet<ulong> _tags = [];
    private IRequestQueue? _requestQueue;
    private IReplyQueue? _replyQueue;
    private object _driver = new();
    private Task? _oldDriver;
    private bool _isClearing;
    private bool _isOpen;
    private bool _isStopping;
    private bool _isWorked;
    private bool _isCalled;
    private int _inFlight;

    /// <summary>How many requests run.</summary>
    public int Running { get; private set; }

    /// <summary>Whether nothing runs, and nothing will.</summary>
    public bool HasEnded => _isStopping && Running == 0;

    /// <summary>How many were taken and not answered.</summary>
    public int InFlight => _inFlight;

    private bool MayTake => _isOpen && _oldDriver is null && !_isClearing && _inFlight < Limits.MaxRequestsInFlight && _replyQueue is not null;

    private bool MayRun => Running < Limits.MaxRequestsInFlight;

    /// <summary>Begins to use the queue of requests.</summary>
    /// <returns>Whether a thread must be called.</returns>
    public bool Attach(IRequestQueue queue)
    {
        _requestQueue = queue;
        return TryCall();
    }

    /// <summary>Begins to use the queue of replies.</summary>
    /// <returns>Whether a thread must be called.</returns>
    public bool Attach(IReplyQueue queue)
    {
        _replyQueue = queue;
        return TryCall();
    }

    /// <summary>When the lane is free again the queue is not touched any more, but for a signal that is on its way.</summary>
    public void DetachRequests() => _requestQueue = null;

    /// <summary>The same for the queue of replies; replies wait.</summary>
    public void DetachReplies() => _replyQueue = null;

    /// <summary>The driver is gone: what it asked for and has not got is dropped.</summary>
    public void ForgetDriver()
    {
        _driver = new object();
        _ready.Clear();
        _chains.Clear();
        _replies.Clear();
        _tags.Clear();
        _inFlight = 0;
    }

    /// <summary>No request is taken until what was before has ended.</summary>
    /// <returns>Whether a thread must be called.</returns>
    public bool WaitFor(Task ended)
    {
        _oldDriver = ended;
        return TryCall();
    }

    /// <summary>Nothing begins any more; the queues are detached, and the driver is forgotten.</summary>
    public void Stop() => (_isStopping, _oldDriver) = (true, null);

    /// <summary>Lets requests be taken, or makes them wait.</summary>
    /// <returns>Whether a thread must be called.</returns>
    public bool SetOpen(bool isOpen)
    {
        _isOpen = isOpen;
        return TryCall();
    }

    /// <summary>A thread begins to look after the rings, until <see cref="ConfigPlan.IsOver"/>.</summary>
    /// <param name="wasCalled">Whether it comes because it was called, and not for a kick.</param>
    /// <returns>False if another one does, which sees all that this one would.</returns>
    public bool TryBegin(bool wasCalled)
    {
        _isCalled &= !wasCalled;
        if (_isWorked)
        {
            return false;
        }

        _isWorked = true;
        return true;
    }

    /// <summary>Looks after the rings for a while.</summary>
    /// <param name="plan">What is to be done when the lane is free.</param>
    public void Next(ref ConfigPlan plan)
    {
        var repliesLeft = PutReplies();
        if (_oldDriver is not null && !_isClearing && MayRun)
        {
            (plan.OldDriver, _oldDriver, _isClearing) = (_oldDriver, null, true);
        }
        else
        {
            TakeRequests();
            if (MayRun && _ready.TryDequeue(out var request))
            {
                plan.Request = request;
            }
        }

        var isQuiet = !repliesLeft && (!MayTake || _requestQueue is null || _requestQueue.ArmKick());
        plan.IsOver = plan.HasWork || isQuiet;
        _isWorked = !plan.IsOver;
        if (plan.HasWork)
        {
            Running++;
            plan.Call = (!isQuiet || _ready.Count > 0) && TryCall();
        }

        plan.RequestSignal = _requestQueue?.MustSignal() == true ? _requestQueue : null;
        plan.ReplySignal = _replyQueue?.MustSignal() == true ? _replyQueue : null;
    }

    /// <summary>A request has its reply.</summary>
    /// <returns>False if its driver is gone: nobody gets the reply, and nobody knows of what it made.</returns>
    public bool TryKeep(ConfigRequest request, in ConfigMessage reply)
    {
        if (request.Driver != _driver)
        {
            return false;
        }

        _replies.Enqueue((request, reply));
        if (request.Chain is { } chain)
        {
            if (_chains[chain].TryDequeue(out var next))
            {
                _ready.Enqueue(next);
            }
            else
            {
                _chains.Remove(chain);
            }
        }

        return true;
    }

    /// <summary>What <see cref="Next"/> gave out is over.</summary>
    public void End(bool wasClearing)
    {
        Running--;
        _isClearing &= !wasClearing;
    }

    /// <summary>Takes some requests.</summary>
    private void TakeRequests()
    {
        for (var i = 0; i < TakesATurn && MayTake && _requestQueue is not null; i++)
        {
            var request = new ConfigRequest { Driver = _driver };
            if (!_requestQueue.TryTake(request.Room, out var length))
            {
                return;
            }

            request.Received(length);
            request.IsTagInUse = request.Tag is { } tag && !_tags.Add(tag);
            _inFlight++;
            if (request.Chain is { } chain)
            {
                if (_chains.TryGetValue(chain, out var behind))
                {
                    behind.Enqueue(request);
                    continue;
                }

                _chains.Add(chain, new Queue<ConfigRequest>());
            }

            _ready.Enqueue(request);
        }
    }

    /// <summary>Puts replies into buffers.</summary>
    /// <returns>Whether there may be more buffers for what is left.</returns>
    private bool PutReplies()
    {
        for (var i = 0; _replyQueue is not null && _replies.TryPeek(out var next); i++)
        {
            if (i == PutsATurn)
            {
                return true;
            }

            if (!_replyQueue.TryPut(in next.Reply))
            {
                return _replyQueue.HasMore;
            }

            _replies.Dequeue();
            _inFlight--;
            if (next.Request is { Tag: { } tag, IsTagInUse: false })
            {
                _tags.Remove(tag);
            }
        }

        return false;
    }

    private bool TryCall()
    {
        if (_isCalled || _isWorked)
        {
            return false;
        }

        _isCalled = true;
        return true;
    }
}

/// <summary>What is to be done when the config lane is free again.</summary>
internal ref struct ConfigPlan
{
    /// <summary>A request to run.</summary>
    public ConfigRequest? Request { get; set; }

    /// <summary>Or: what to wait for before free memory is emptied for the next driver.</summary>
    public Task? OldDriver { get; set; }

    /// <summary>Whether there is one of the two.</summary>
    public readonly bool HasWork => Request is not null || OldDriver is not null;

    /// <summary>Another thread must be called.</summary>
    public bool Call { get; set; }

    /// <summary>The guest wants to be told of requests that were taken.</summary>
    public IGuestSignal? RequestSignal { get; set; }

    /// <summary>The guest wants to be told of replies.</summary>
    public IGuestSignal? ReplySignal { get; set; }

    /// <summary>This thread does not look after the rings any more.</summary>
    public bool IsOver { get; set; }
}
