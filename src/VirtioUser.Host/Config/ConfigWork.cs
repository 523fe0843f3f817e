// What a worker does for the config queues of one VM.
using VirtioUser.Host.Workers;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Config;

/// <summary>
/// Config requests and their replies, as a transport sees them. Requests of different instances run side by side on workers, so a slow
/// one holds up nobody; those of one instance are answered in order. No request is taken before the guest sees the arena
/// (<see cref="SetOpen"/>), so that a driver may map an object as soon as it has the reply. Any thread; attaching and detaching one
/// at a time.
/// </summary>
public sealed class ConfigWork : IWork
{
    private readonly Lane<ConfigSchedule> _lane = new(new ConfigSchedule());
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConfigHandler _handler;
    private readonly WorkerPool _workers;
    private readonly TimeSpan _patience;
    private readonly Action _discardFree;
    private readonly CalledWork _called;

    /// <summary>Does nothing until queues are attached and requests may be taken.</summary>
    /// <param name="handler">Answers requests.</param>
    /// <param name="workers">The threads on which that is done.</param>
    /// <param name="patience">How long a driver waits for what the ones before it hold.</param>
    /// <param name="discardFree">Empties free memory for the next driver.</param>
    internal ConfigWork(ConfigHandler handler, WorkerPool workers, TimeSpan patience, Action discardFree)
    {
        (_handler, _workers, _patience, _discardFree) = (handler, workers, patience, discardFree);
        _called = new CalledWork(this);
    }

    /// <summary>Told of each request and its reply; for the eyes of somebody who asked for it. Set once, before anything is attached.</summary>
    public ConfigObserver? Observer { get; set; }

    /// <summary>After <see cref="Stop"/>: complete when no request runs.</summary>
    public Task Ended => _ended.Task;

    /// <summary>How many requests were taken and not answered, and how many run. For tests.</summary>
    internal (int InFlight, int Running) InUse
    {
        get
        {
            using var held = _lane.Enter();
            return (held.Inside.InFlight, held.Inside.Running);
        }
    }

    /// <summary>Begins to take requests. Waits for nothing.</summary>
    /// <param name="queue">The queue; used until <see cref="DetachRequests"/>.</param>
    public void Attach(IRequestQueue queue)
    {
        bool call;
        using (var held = _lane.Enter())
        {
            call = held.Inside.Attach(queue);
        }

        CallIf(call);
    }

    /// <summary>Begins to send replies. Waits for nothing.</summary>
    /// <param name="queue">The queue; used until <see cref="DetachReplies"/>.</param>
    public void Attach(IReplyQueue queue)
    {
        bool call;
        using (var held = _lane.Enter())
        {
            call = held.Inside.Attach(queue);
        }

        CallIf(call);
    }

    /// <summary>When this returns the queue is not touched any more, except for a signal that is on its way. What was taken runs on.</summary>
    public void DetachRequests()
    {
        using var held = _lane.Enter();
        held.Inside.DetachRequests();
    }

    /// <summary>The same for the queue of replies; these wait.</summary>
    public void DetachReplies()
    {
        using var held = _lane.Enter();
        held.Inside.DetachReplies();
    }

    /// <summary>
    /// The driver is gone: replies that were meant for it are dropped. Comes before its instances are ended. Both queues must be detached.
    /// </summary>
    public void ForgetDriver()
    {
        using var held = _lane.Enter();
        held.Inside.ForgetDriver();
    }

    /// <summary>Makes the next driver wait for what the ones before hold, and for free memory to be emptied. Both queues must be detached.</summary>
    /// <param name="ended">Complete when everything was given back.</param>
    public void WaitFor(Task ended)
    {
        bool call;
        using (var held = _lane.Enter())
        {
            call = held.Inside.WaitFor(ended);
        }

        CallIf(call);
    }

    /// <summary>Lets requests be taken, or makes them wait: the guest sees the arena, or does not.</summary>
    /// <param name="isOpen">Which of the two.</param>
    public void SetOpen(bool isOpen)
    {
        bool call;
        using (var held = _lane.Enter())
        {
            call = held.Inside.SetOpen(isOpen);
        }

        CallIf(call);
    }

    /// <summary>Ends the work, after the requests that run (<see cref="Ended"/>). Both queues must be detached, and the driver forgotten.</summary>
    public void Stop()
    {
        bool isOver;
        using (var held = _lane.Enter())
        {
            held.Inside.Stop();
            isOver = held.Inside.HasEnded;
        }

        if (isOver)
        {
            _ended.TrySetResult();
        }
    }

    /// <summary>Does what a kick of the guest is for.</summary>
    public void Run() => Run(wasCalled: false);

    private void CallIf(bool call)
    {
        if (call)
        {
            _workers.Post(_called);
        }
    }

    private void Run(bool wasCalled)
    {
        bool begun;
        using (var held = _lane.Enter())
        {
            begun = held.Inside.TryBegin(wasCalled);
        }

        while (begun)
        {
            var plan = default(ConfigPlan);
            using (var held = _lane.Enter())
            {
                held.Inside.Next(ref plan);
            }

            CallIf(plan.Call); // first: the guest can make a signal take as long as it likes
            plan.RequestSignal?.Signal();
            plan.ReplySignal?.Signal();
            begun = plan.HasWork ? Do(in plan) : !plan.IsOver;
        }
    }

    /// <returns>Whether this thread looks after the rings again.</returns>
    private bool Do(in ConfigPlan plan)
    {
        if (plan.Request is { } request)
        {
            Answer(request);
        }
        else
        {
            // Memory that a callback still uses after that is unavailable to the new driver.
            plan.OldDriver!.Wait(_patience);
            _discardFree();
        }

        bool begun, isOver;
        using (var held = _lane.Enter())
        {
            held.Inside.End(plan.OldDriver is not null);
            begun = held.Inside.TryBegin(wasCalled: false);
            isOver = held.Inside.HasEnded;
        }

        if (isOver)
        {
            _ended.TrySetResult();
        }

        return begun;
    }

    private void Answer(ConfigRequest request)
    {
        var reply = _handler.Handle(request.Bytes, request.IsTagInUse);
        Observer?.Invoke(request.Bytes, in reply);
        bool isKept;
        using (var held = _lane.Enter())
        {
            isKept = held.Inside.TryKeep(request, in reply);
        }

        if (!isKept && reply is { Operation: ConfigOperation.CreateInstance, Error: ConfigError.None })
        {
            _handler.Destroy(reply.InstanceHandle); // its driver went away meanwhile, so nobody knows of it
        }
    }

    /// <summary>The same, for a thread that was called and not kicked.</summary>
    private sealed class CalledWork(ConfigWork work) : IWork
    {
        public void Run() => work.Run(wasCalled: true);
    }
}

/// <summary>Sees a config request and its reply.</summary>
/// <param name="request">The request as it came; of any length.</param>
/// <param name="reply">The reply.</param>
public delegate void ConfigObserver(ReadOnlySpan<byte> request, in ConfigMessage reply);
