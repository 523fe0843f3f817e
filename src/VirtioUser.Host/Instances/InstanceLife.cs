// How an instance begins and how it ends.
using Microsoft.Extensions.Logging;
using VirtioUser.Devices;
using VirtioUser.Host.Config;
using VirtioUser.Host.Events;
using VirtioUser.Host.Memory;
using VirtioUser.Host.Pings;
using VirtioUser.Host.Plugins;
using VirtioUser.Host.Workers;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Instances;

/// <summary>Makes and ends instances. Callbacks that take too long hold nobody up for longer than a bound.</summary>
internal sealed class InstanceLife(
    Lane<PingSchedule> lane,
    PingWork work,
    PingRunner runner,
    InstancePlaces places,
    EventOutbox events,
    ObjectTable objects,
    WorkerPool workers,
    HostCounters counters,
    HostOptions options,
    GuestLog guestLog,
    ILoggerFactory loggers,
    ILogger logger,
    PluginVm? plugins)
{
    // A ring has at most 32768 entries, and a few are taken at a time; who sends meanwhile is not waited for.
    private const int MaxTakes = 2048;

    private int _creations;

    /// <summary>Makes an instance. Waits for a bounded time.</summary>
    /// <param name="device">The device.</param>
    /// <param name="wanted">What the guest asked for.</param>
    /// <param name="reason">Why there is none.</param>
    /// <returns>An instance that the guest can reach, or null.</returns>
    public Instance? Create(Device device, DeviceIdentity wanted, out string reason)
    {
        DriverSession driver;
        using (var held = lane.Enter())
        {
            driver = held.Inside.Driver;
        }

        if (Interlocked.Increment(ref _creations) > options.MaxCreations)
        {
            Interlocked.Decrement(ref _creations);
            reason = $"{options.MaxCreations} attempts to make one have not come back";
            return null;
        }

        var creation = new Creation(() => Make(device, wanted), ThrowAway, () => Interlocked.Decrement(ref _creations));
        workers.Post(creation);
        if (!creation.Wait(options.CreateTimeout))
        {
            reason = $"the device took longer than {options.CreateTimeout.TotalSeconds} s";
            if (guestLog.Allows(out var log))
            {
                Log.CreateTimedOut(log, wanted, options.CreateTimeout.TotalSeconds);
            }

            return null;
        }

        (var instance, reason) = creation.Result;
        if (instance is not null && !TryAdd(instance, driver))
        {
            workers.Post(new Disposal(this, instance)); // its device's code, which may take as long as it likes
            reason = "its driver is gone";
            return null;
        }

        return instance;
    }

    /// <summary>Ends an instance that the guest closed: its pings first. Waits for a bounded time.</summary>
    public void Destroy(Instance instance)
    {
        TakePings();
        bool call, isBusy;
        using (var held = lane.Enter())
        {
            if (!held.Inside.Driver.Remove(instance))
            {
                return;
            }

            isBusy = instance.Strand.IsBusy;
            call = held.Inside.RequestEnd(instance);
        }

        if (call)
        {
            work.Call();
        }

        if (isBusy)
        {
            workers.Post(new Cancellation(runner, instance)); // the others hear of it when their end runs
        }

        var inTime = instance.Ended.Wait(options.DestroyTimeout);
        events.Abandon(instance); // no event may reach a driver that has forgotten the handle
        if (!inTime && guestLog.Allows(out var log))
        {
            Log.DestroyTimedOut(log, instance.Handle, instance.Identity, options.DestroyTimeout.TotalSeconds);
        }
    }

    /// <summary>Ends all instances: their driver is gone. Waits for nothing. Any thread.</summary>
    /// <returns>Complete when all have ended.</returns>
    public Task AbandonAll()
    {
        DriverSession former;
        Instance[] all, busy;
        using (var held = lane.Enter())
        {
            former = held.Inside.ReplaceDriver();
            all = former.RemoveAll();
            busy = Array.FindAll(all, instance => instance.Strand.IsBusy);
            foreach (var instance in all)
            {
                held.Inside.RequestEnd(instance);
            }
        }

        events.Abandon(former.Unknown);
        Array.ForEach(all, events.Abandon);
        Array.ForEach(busy, instance => workers.Post(new Cancellation(runner, instance)));

        work.Call();
        return Task.WhenAll(all.Select(instance => instance.Ended));
    }

    /// <summary>Brings pings to their instances that the guest sent before it closed one.</summary>
    private void TakePings()
    {
        bool isEmpty;
        var left = MaxTakes;
        do
        {
            bool call;
            using (var held = lane.Enter())
            {
                isEmpty = held.Inside.Take(out call);
            }

            if (call)
            {
                work.Call();
            }
        }
        while (!isEmpty && --left > 0);
    }

    private bool TryAdd(Instance instance, DriverSession driver)
    {
        using (var held = lane.Enter())
        {
            if (held.Inside.Driver != driver)
            {
                return false;
            }

            driver.Add(instance);
        }

        counters.Add(Counter.InstancesCreated);
        Log.InstanceCreated(logger, instance.Handle, instance.Identity);
        return true;
    }

    private (Instance? Instance, string Reason) Make(Device device, DeviceIdentity wanted)
    {
        Instance? instance = null;
        try
        {
            // First the place: attempts that hang in the device are counted with the instances.
            var handle = places.TryTake();
            if (handle == 0)
            {
                return (null, "there are too many instances");
            }

            var made = instance = new Instance(handle, wanted);
            made.Step.Completed = () => work.Resume(made);
            var log = new InstanceLogger(guestLog.For(loggers.CreateLogger(device.GetType().FullName!)), instance.Handle);
            instance.Implementation = device.CreateInstance(new HostInstanceContext(instance, log, events, objects, plugins))
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

            if (instance is not null)
            {
                ThrowAway(instance);
            }

            return (null, Reasons.Of(e));
        }
    }

    private void ThrowAway(Instance instance)
    {
        counters.Add(Counter.InstancesCreated); // End counts the other half
        events.Abandon(instance); // no guest knows the handle
        instance.Strand.IsBusy = instance.Strand.MustEnd = true; // nobody else has seen it
        runner.End(instance);
    }

    /// <summary>Ends an instance that its driver has not come to know.</summary>
    private sealed class Disposal(InstanceLife life, Instance instance) : IWork
    {
        public void Run() => life.ThrowAway(instance);
    }

    /// <summary>Tells a device's code of the end of an instance.</summary>
    private sealed class Cancellation(PingRunner runner, Instance instance) : IWork
    {
        public void Run() => runner.Cancel(instance);
    }
}
