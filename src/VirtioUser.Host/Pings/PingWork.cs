// What a worker does for the pings of one VM.
using System.Diagnostics;
using VirtioUser.Host.Events;
using VirtioUser.Host.Instances;
using VirtioUser.Host.Workers;

namespace VirtioUser.Host.Pings;

/// <summary>The loop of each thread that works for one VM: take a strand from the lane, run it, go on. Any number of threads at once.</summary>
internal sealed class PingWork : IWork
{
    // How often to look for a ping before looking at the clock.
    private const int LooksAtATime = 16;

    private readonly Lane<PingSchedule> _lane;
    private readonly PingRunner _runner;
    private readonly EventOutbox _events;
    private readonly WorkerPool _workers;
    private readonly CalledWork _called;

    public PingWork(Lane<PingSchedule> lane, PingRunner runner, EventOutbox events, WorkerPool workers)
    {
        (_lane, _runner, _events, _workers) = (lane, runner, events, workers);
        _called = new CalledWork(this);
    }

    /// <summary>Does what a kick of the guest is for.</summary>
    public void Run() => Run(wasCalled: false);

    /// <summary>Calls a thread. Any thread; waits for nothing.</summary>
    public void Call() => _workers.Post(_called);

    /// <summary>A strand that waited without a thread goes on. Any thread; waits for nothing.</summary>
    public void Resume(Instance instance)
    {
        bool call;
        using (var held = _lane.Enter())
        {
            call = held.Inside.Resume(instance);
        }

        if (call)
        {
            Call();
        }
    }

    private void Run(bool wasCalled)
    {
        _events.Pump(); // buffers may have come
        var plan = default(LanePlan);
        using (var held = _lane.Enter())
        {
            if (!held.Inside.TryBegin(wasCalled))
            {
                return;
            }

            held.Inside.Plan(mayPoll: false, ref plan);
        }

        var mayPoll = false;
        while (Step(ref plan, ref mayPoll))
        {
            // A method of its own: the runtime optimizes methods that are called often, not one that never returns.
        }
    }

    /// <summary>Does what is planned, and plans what comes next.</summary>
    /// <returns>False when there is nothing left to do.</returns>
    private bool Step(ref LanePlan plan, ref bool mayPoll)
    {
        if (plan.Call)
        {
            Call();
        }

        plan.Signal?.Signal();
        if (plan.IsOver)
        {
            return false;
        }

        Instance? finished = null;
        if (plan.Next is { } next)
        {
            finished = _runner.Run(next) ? next : null;
            mayPoll = true;
        }
        else if (plan.PollTicks > 0)
        {
            mayPoll = Poll(plan.PollTicks);
        }

        plan = default;
        using var held = _lane.Enter();
        if (finished is not null)
        {
            held.Inside.Finish(finished);
        }

        held.Inside.Plan(mayPoll, ref plan);
        return true;
    }

    /// <summary>Looks for a ping again and again for a bounded time.</summary>
    /// <returns>Whether there was one.</returns>
    private bool Poll(long ticks)
    {
        var began = Stopwatch.GetTimestamp();
        var passed = 0L;
        for (var looks = 1; ; looks++)
        {
            passed = looks % LooksAtATime == 0 ? Stopwatch.GetTimestamp() - began : passed;
            var isLast = passed >= ticks;
            using (var held = _lane.Enter())
            {
                if (held.Inside.Poll(isLast, passed))
                {
                    return !isLast;
                }
            }

            Thread.SpinWait(1);
        }
    }

    /// <summary>The same, for a thread that was called and not kicked.</summary>
    private sealed class CalledWork(PingWork work) : IWork
    {
        public void Run() => work.Run(wasCalled: true);
    }
}
