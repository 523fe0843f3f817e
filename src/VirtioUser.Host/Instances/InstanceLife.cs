// How an instance begins and how it ends.
using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using VirtioUser.Devices;
using VirtioUser.Host.Config;
using VirtioUser.Host.Events;
using VirtioUser.Host.Memory;
using VirtioUser.Host.Pings;
using VirtioUser.Host.Plugins;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Instances;

/// <summary>Makes and ends instances. Callbacks that take too long hold nobody up for longer than a bound.</summary>
internal sealed class InstanceLife(
    InstanceTable instances,
    PingRunner runner,
    EventSender events,
    ObjectTable objects,
    HostCounters counters,
    HostOptions options,
    GuestLog guestLog,
    ILoggerFactory loggers,
    ILogger logger,
    PluginVm? plugins) : IDisposable
{
    // How long to wait for a thread when the system has none left.
    private static readonly TimeSpan RetryPeriod = TimeSpan.FromMilliseconds(100);

    private readonly CallbackThread _callbacks = new();
    private readonly BlockingCollection<Instance> _toEnd = [];

    // Raised when a driver goes away.
    private int _era;

    /// <summary>Starts the thread that ends what drivers leave behind.</summary>
    /// <exception cref="InvalidOperationException">The system has no thread left.</exception>
    public void Start()
    {
        if (!HostThread.TryStart(EndAll, "end instances"))
        {
            throw new InvalidOperationException("The system has no thread left to end instances.");
        }
    }

    /// <summary>Makes an instance. One thread at a time.</summary>
    /// <param name="device">The device.</param>
    /// <param name="wanted">What the guest asked for.</param>
    /// <param name="reason">Why there is none.</param>
    /// <returns>An instance that the guest can reach, or null.</returns>
    public Instance? Create(Device device, DeviceIdentity wanted, out string reason)
    {
        var era = Volatile.Read(ref _era);
        var attempt = new Attempt();
        var outcome = _callbacks.Run(
            () =>
            {
                var (made, why) = Make(device, wanted);
                if (!attempt.TryFinish(made, why))
                {
                    ThrowAway(made);
                }
            },
            options.CreateTimeout);
        if (outcome == CallbackOutcome.NotStarted)
        {
            reason = "the system has no thread left";
            return null;
        }

        if (outcome == CallbackOutcome.StillRunning && attempt.TryGiveUp())
        {
            reason = $"the device took longer than {options.CreateTimeout.TotalSeconds} s";
            if (guestLog.Allows(out var log))
            {
                Log.CreateTimedOut(log, wanted, options.CreateTimeout.TotalSeconds);
            }

            return null;
        }

        reason = attempt.Reason;
        if (attempt.Instance is not { } instance)
        {
            return null;
        }

        instances.Publish(instance);
        counters.Add(Counter.InstancesCreated);
        Log.InstanceCreated(logger, instance.Handle, instance.Identity);
        if (era != Volatile.Read(ref _era))
        {
            Abandon([instance]); // its driver went away meanwhile, and nobody else knows of it
        }

        return instance;
    }

    /// <summary>Ends an instance that the guest closed: its pings first. Waits for a bounded time. One thread at a time.</summary>
    public void Destroy(Instance instance)
    {
        if (!instances.Hide(instance))
        {
            return;
        }

        var inTime = EndOrWait(instance);
        instance.Abandon(); // no event may reach a driver that has forgotten the handle
        if (!inTime && guestLog.Allows(out var log))
        {
            Log.DestroyTimedOut(log, instance.Handle, instance.Identity, options.DestroyTimeout.TotalSeconds);
        }
    }

    /// <summary>Ends all instances: their driver is gone. Waits for nothing. Any thread.</summary>
    /// <returns>Complete when all have ended.</returns>
    public Task AbandonAll()
    {
        Interlocked.Increment(ref _era);
        var all = instances.All.ToList();
        Abandon(all);
        return Task.WhenAll(all.Select(instance => instance.Ended));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _callbacks.Dispose();
        _toEnd.CompleteAdding(); // not disposed of: a callback may return long after this
    }

    private bool EndOrWait(Instance instance)
    {
        if (instance.RequestEnd())
        {
            switch (_callbacks.Run(() => runner.End(instance), options.DestroyTimeout))
            {
                case CallbackOutcome.Finished:
                    return true;
                case CallbackOutcome.StillRunning:
                    return false;
                default:
                    EndLater(instance); // the system has no thread left
                    break;
            }
        }

        return instance.Ended.Wait(options.DestroyTimeout);
    }

    private void Abandon(List<Instance> abandoned)
    {
        abandoned.ForEach(instance => instance.Abandon());
        abandoned.FindAll(instance => instances.Hide(instance) && instance.RequestEnd()).ForEach(EndLater);
    }

    /// <summary>Has an idle instance ended on another thread. Waits for nothing.</summary>
    private void EndLater(Instance instance)
    {
        try
        {
            _toEnd.Add(instance);
        }
        catch (InvalidOperationException)
        {
            // Disposed of, and nothing is made after that: there is no such instance.
        }
    }

    /// <summary>
    /// Ends idle instances, one after the other; one that takes long is left behind with a thread of its own. The device's code never runs
    /// on this thread, which nobody could replace: when the system has no thread left, the end waits for one.
    /// </summary>
    private void EndAll()
    {
        using var callbacks = new CallbackThread();
        foreach (var instance in _toEnd.GetConsumingEnumerable())
        {
            while (callbacks.Run(() => runner.End(instance), options.LeaderPatience) == CallbackOutcome.NotStarted)
            {
                if (guestLog.Allows(out var log))
                {
                    Log.NoThreadToEnd(log);
                }

                Thread.Sleep(RetryPeriod);
            }
        }
    }

    private (Instance? Instance, string Reason) Make(Device device, DeviceIdentity wanted)
    {
        Instance? instance = null;
        try
        {
            // First the place: attempts that hang in the device are counted with the instances.
            instance = instances.Reserve(wanted);
            if (instance is null)
            {
                return (null, "there are too many instances");
            }

            if (!device.AcceptVersion(wanted.Version, out var version))
            {
                ThrowAway(instance);
                return (null, $"{wanted} does not accept version {wanted.Version}");
            }

            instance.Identity = wanted with { Version = version };

            var log = new InstanceLogger(guestLog.For(loggers.CreateLogger(device.GetType().FullName!)), instance.Handle);
            instance.Implementation = device.CreateInstance(new HostInstanceContext(instance, log, events, objects, counters, options, plugins))
                ?? throw new InvalidOperationException("CreateInstance returned null.");
            return (instance, "");
        }
#pragma warning disable CA1031 // whatever a device throws refuses this instance and nothing else
        catch (Exception e)
#pragma warning restore CA1031
        {
            if (guestLog.Allows(out var line))
            {
                Log.CreateThrew(line, wanted, e);
            }

            ThrowAway(instance);
            return (null, "the device threw");
        }
    }

    private void ThrowAway(Instance? instance)
    {
        if (instance is not null)
        {
            counters.Add(Counter.InstancesCreated); // End counts the other half
            instance.Abandon(); // no guest knows the handle
            runner.End(instance);
        }
    }

    /// <summary>A creation that may come too late: it counts for the one who finishes it or for the one who gives up, not both.</summary>
    private sealed class Attempt
    {
        private int _settled;

        public Instance? Instance { get; private set; }

        public string Reason { get; private set; } = "";

        public bool TryFinish(Instance? instance, string reason)
        {
            (Instance, Reason) = (instance, reason);
            return TryGiveUp();
        }

        public bool TryGiveUp() => Interlocked.Exchange(ref _settled, 1) == 0;
    }
}
