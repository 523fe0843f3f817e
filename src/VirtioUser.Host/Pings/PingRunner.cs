// Runs what is next at an instance: a ping, what came of one, the end.
using Microsoft.Extensions.Logging;
using Virtio;
using VirtioUser.Devices;
using VirtioUser.Host.Config;
using VirtioUser.Host.Events;
using VirtioUser.Host.Instances;
using VirtioUser.Host.Memory;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Pings;

/// <summary>The callbacks' side of the ping queue. Any thread; one thread at a time for each instance.</summary>
internal sealed class PingRunner(
    Lane<PingSchedule> lane,
    EventOutbox events,
    InstancePlaces places,
    ObjectTable objects,
    IArenaMemory arena,
    HostCounters counters,
    GuestLog guestLog,
    ILogger logger)
{
    private ulong _arenaAddress;

    /// <summary>Where the guest sees the arena; 0 while the front-end has not told.</summary>
    public ulong ArenaAddress
    {
        get => Volatile.Read(ref _arenaAddress);
        set => Volatile.Write(ref _arenaAddress, value);
    }

    /// <summary>Runs an instance's turn: all that can take as long as the device or the guest likes.</summary>
    /// <param name="instance">The instance; its strand is the caller's.</param>
    /// <returns>
    /// True if the turn is over: the caller finishes it. False if it goes on without a thread, or the instance has ended:
    /// the strand is not the caller's any more.
    /// </returns>
    public bool Run(Instance instance)
    {
        var (strand, step) = (instance.Strand, instance.Step);
        switch (step.Kind)
        {
            case AsyncKind.Answer:
                if (!Conclude(instance, strand.Current!, Complete(instance, step)))
                {
                    return false;
                }

                strand.Pass();
                break;
            case AsyncKind.Ending:
                step.Kind = AsyncKind.None;
                if (!TryDispose(instance))
                {
                    return false;
                }

                if (strand.Current is null)
                {
                    return End(instance);
                }

                strand.Pass();
                break;
            case AsyncKind.Disposal:
                EndDisposal(instance, step);
                if (strand.Current is null)
                {
                    return End(instance);
                }

                strand.Pass();
                break;
            default:
                if (strand.Current is null)
                {
                    return End(instance);
                }

                break;
        }

        while (strand.Current is { } ping)
        {
            if (!RunPing(instance, ping))
            {
                return false;
            }

            strand.Pass();
        }

        return true;
    }

    /// <summary>Ends an instance that runs nothing any more, and gives back what it holds.</summary>
    /// <returns>False: there is no strand any more, or its end goes on without a thread.</returns>
    public bool End(Instance instance)
    {
        if (instance.Implementation is not null && !TryEndImplementation(instance))
        {
            return false;
        }

        foreach (var shared in instance.TakeAllReferences())
        {
            objects.Drop(shared);
        }

        if (instance.InterruptedUnasked > 0)
        {
            events.Post(instance, new EventMessage(instance.Handle, Revents.PingsInterrupted(instance.InterruptedUnasked)), EventKind.Notice);
        }

        counters.Add(Counter.InstancesEnded);
        Log.InstanceEnded(logger, instance.Handle, instance.Identity);
        instance.MarkEnded();
        events.Post(instance, default, EventKind.End);
        places.NoteEnded(); // last: whoever waits for this takes away what is used above
        return false;
    }

    /// <summary>Tells a device's code that its instance ends. That code runs here, and may take as long as it likes.</summary>
    public void Cancel(Instance instance)
    {
        instance.MarkEnding();
        events.EndSenders(instance);
        try
        {
            instance.Cancel();
        }
#pragma warning disable CA1031 // whatever a device throws ends its instance and nothing else
        catch (Exception e)
#pragma warning restore CA1031
        {
            LogDisposeThrew(instance, e);
        }
    }

    private bool RunPing(Instance instance, PendingPing ping)
    {
        ref readonly var message = ref ping.Message;
        if (ping.IsMalformed)
        {
            RejectMalformed();
            return true;
        }

        if (message.Events != 0)
        {
            // Set before it is asked: the strand may be somebody else's at once.
            instance.Step.Kind = AsyncKind.Room;
            if (!events.TryBeginAnswer(instance))
            {
                return false;
            }
        }

        instance.Step.Kind = AsyncKind.None;
        if (instance.Abandoned)
        {
            counters.Add(Counter.PingsCancelled);
            return Conclude(instance, ping, Revents.Failed);
        }

        if (instance.Handle == 0)
        {
            Reject(instance, in message, "there is no such instance");
            return Conclude(instance, ping, Revents.Refused);
        }

        return instance.Failed ? Conclude(instance, ping, Revents.Refused) : Call(instance, ping);
    }

    private bool Call(Instance instance, PendingPing ping)
    {
        ref readonly var message = ref ping.Message;
        if (message.ShmId == 0)
        {
            return CallBack(instance, ping, new AsyncPing(message.Metadata, message.Events, 0, 0, default));
        }

        if (!instance.TryGetReference(message.ShmId, out var shared) || !shared.TryUse())
        {
            Reject(instance, in message, "the instance holds no such object");
            return Conclude(instance, ping, Revents.Refused);
        }

        ping.Used = shared;
        if (!Bounds.Contains(shared.Size, message.ShmOffset, message.ShmSize))
        {
            Reject(instance, in message, "the bytes are not inside the object");
            return Conclude(instance, ping, Revents.Refused);
        }

        var offset = shared.Offset + message.ShmOffset;
        counters.Add(Counter.PingBytes, (long)message.ShmSize);
        return CallBack(instance, ping, new AsyncPing(
            message.Metadata, message.Events, message.ShmId, ArenaAddress + offset, new SharedRange(arena, offset, message.ShmSize)));
    }

    private bool CallBack(Instance instance, PendingPing ping, in AsyncPing call)
    {
        uint revents;
        try
        {
            var answer = instance.Implementation!.OnPingAsync(call, instance.Ending);
            if (!answer.IsCompleted)
            {
                instance.Step.Await(answer);
                return false;
            }

            revents = answer.GetAwaiter().GetResult() & Revents.DeviceMask;
        }
#pragma warning disable CA1031 // whatever a device throws ends its instance and nothing else
        catch (Exception e)
#pragma warning restore CA1031
        {
            revents = ToRevents(instance, e);
        }

        return Conclude(instance, ping, revents);
    }

    private uint Complete(Instance instance, AsyncStep step)
    {
        try
        {
            return step.TakeAnswer() & Revents.DeviceMask;
        }
#pragma warning disable CA1031 // as above
        catch (Exception e)
#pragma warning restore CA1031
        {
            return ToRevents(instance, e);
        }
    }

    /// <summary>The end of every ping: its bytes are let go, the guest is answered, a device that failed is taken away.</summary>
    /// <returns>As <see cref="Run"/>.</returns>
    private bool Conclude(Instance instance, PendingPing ping, uint revents)
    {
        if (ping.Used is { } used)
        {
            ping.Used = null;
            objects.Release(used);
        }

        // The answer is what is waited for, so it comes before all else.
        if (ping.Message.Events != 0)
        {
            // What failed ends before this thread is back at the ring, by code of the device.
            if (ping.Next is null && !instance.Failed && instance.Strand.AsksForKicks)
            {
                using var held = lane.Enter();
                held.Inside.ComeBack();
            }

            events.Post(instance, new EventMessage(ping.Message.InstanceHandle, revents), EventKind.Answer);
        }
        else if (revents == Revents.Interrupted)
        {
            instance.InterruptedUnasked++;
        }

        if (!instance.Failed || instance.Implementation is null)
        {
            return true;
        }

        // After the answer to the ping that did it: the driver may end everything at this notice.
        events.Post(instance, new EventMessage(instance.Handle, Revents.NoticeInstanceEnded), EventKind.Notice);
        return TryEndImplementation(instance); // the device's code again, which may hang: the guest knows already
    }

    private uint ToRevents(Instance instance, Exception exception)
    {
        switch (exception)
        {
            case PingException failure:
                counters.Add(Counter.PingsFailed);
                instance.Failure = Reasons.Of(failure);
                if (guestLog.Allows(out var log))
                {
                    Log.PingFailed(log, instance.Handle, instance.Identity, failure.Code, failure.Message);
                }

                return Revents.FailedWith(failure.Code);
            case OperationCanceledException when instance.Ending.IsCancellationRequested:
                counters.Add(Counter.PingsCancelled);
                instance.Failure = "the ping was interrupted: the instance ends";
                return Revents.Interrupted;
            default:
                Fail(instance, exception);
                return Revents.Failed;
        }
    }

    private void Fail(Instance instance, Exception exception)
    {
        instance.Failure = Reasons.Of(exception);
        instance.MarkFailed();
        counters.Add(Counter.InstancesFailed);
        if (guestLog.Allows(out var log))
        {
            Log.PingThrew(log, instance.Handle, instance.Identity, exception);
        }
    }

    /// <summary>Ends the device's own object, after what hears that the instance ends.</summary>
    /// <returns>False if that goes on without a thread.</returns>
    private bool TryEndImplementation(Instance instance)
    {
        Cancel(instance);
        if (!instance.Told.IsCompleted)
        {
            instance.Step.Await(instance.Told); // another thread tells it
            return false;
        }

        return TryDispose(instance);
    }

    /// <summary>Ends the device's own object.</summary>
    /// <returns>False if that goes on without a thread.</returns>
    private bool TryDispose(Instance instance)
    {
        var implementation = instance.Implementation!;
        instance.Implementation = null;
        try
        {
            var disposal = implementation.DisposeAsync();
            if (!disposal.IsCompleted)
            {
                Log.InstanceEndsLater(logger, instance.Handle, instance.Identity);
                instance.Step.Await(disposal);
                return false;
            }

            disposal.GetAwaiter().GetResult();
        }
#pragma warning disable CA1031 // as above
        catch (Exception e)
#pragma warning restore CA1031
        {
            LogDisposeThrew(instance, e);
        }

        EndHolds(instance);
        return true;
    }

    private void EndDisposal(Instance instance, AsyncStep step)
    {
        try
        {
            step.TakeDisposal();
        }
#pragma warning disable CA1031 // as above
        catch (Exception e)
#pragma warning restore CA1031
        {
            LogDisposeThrew(instance, e);
        }

        EndHolds(instance);
    }

    private void EndHolds(Instance instance)
    {
        foreach (var hold in instance.Holds.End())
        {
            objects.Release(hold.Shared);
        }
    }

    private void LogDisposeThrew(Instance instance, Exception exception)
    {
        if (guestLog.Allows(out var log))
        {
            Log.DisposeThrew(log, instance.Handle, instance.Identity, exception);
        }
    }

    private void RejectMalformed()
    {
        counters.Add(Counter.MessagesRejected);
        if (guestLog.Allows(out var log))
        {
            Log.PingMalformed(log, PingMessage.Size);
        }
    }

    private void Reject(Instance instance, in PingMessage message, string reason)
    {
        instance.Failure = reason;
        counters.Add(Counter.PingsRejected);
        if (guestLog.Allows(out var log))
        {
            Log.PingRejected(log, reason, message.InstanceHandle, message.ShmId, message.ShmOffset, message.ShmSize);
        }
    }
}
