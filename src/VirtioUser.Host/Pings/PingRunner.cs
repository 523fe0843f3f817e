// Runs the pings of an instance: check, call back, answer.
using Microsoft.Extensions.Logging;
using Virtio;
using VirtioUser.Devices;
using VirtioUser.Host.Events;
using VirtioUser.Host.Instances;
using VirtioUser.Host.Memory;
using VirtioUser.Host.State;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Pings;

/// <summary>The callbacks' side of the ping queue. Any thread; one thread at a time for each instance.</summary>
internal sealed class PingRunner(
    PingTable pings,
    PingReturns returns,
    EventSender events,
    InstanceTable instances,
    ObjectTable objects,
    IArenaMemory arena,
    HostCounters counters,
    HostOptions options,
    GuestLog guestLog,
    ILogger logger)
{
    // Rows that pings without a ring entry may fill before waiting ones keep theirs: one instance's running
    // ping and the pings still in the ring must always find a row.
    private const int MaxTakenOverInAll = HostState.MaxPings / 4;

    private ulong _arenaAddress;
    private Instance _stranger = Instance.Stranger();
    private int _takenOver;

    /// <summary>Where the guest sees the arena; 0 while the front-end has not told.</summary>
    public ulong ArenaAddress
    {
        get => Volatile.Read(ref _arenaAddress);
        set => Volatile.Write(ref _arenaAddress, value);
    }

    /// <summary>
    /// Runs the callback of a ping: everything that can take as long as the device or the guest likes. A full fence
    /// must stand before and after it, as the draft asks: host and guest see each other's writes.
    /// </summary>
    /// <param name="instance">The instance; the caller raised its count from 0, or knows that nobody else runs it.</param>
    /// <param name="message">The ping.</param>
    /// <returns>The answer; for <see cref="Conclude"/> if the ping asks for one.</returns>
    public uint Execute(Instance instance, in PingMessage message)
    {
        if (message.Events != 0 && !instance.HasRoom(options.MaxAnswersWaiting))
        {
            counters.Add(Counter.QueueWaits);
            instance.WaitForRoom(options.MaxAnswersWaiting);
        }

        return instance.Abandoned ? Cancel() : instance.Failed ? Revents.Failed : Call(instance, in message);
    }

    /// <summary>Answers a ping if it asks for that. The answer is what is waited for, so it comes before all else.</summary>
    /// <param name="instance">The instance.</param>
    /// <param name="slot">The ping.</param>
    /// <param name="row">Its row.</param>
    /// <param name="revents">The answer.</param>
    /// <param name="signal">Whether to tell the guest at once.</param>
    public void Conclude(Instance instance, int slot, ref PingRow row, uint revents, bool signal = true)
    {
        if (row.Message.Events != 0)
        {
            events.Answer(instance, slot, ref row, revents, signal);
        }

        if (instance.Failed && instance.Implementation is not null)
        {
            // After the answer to the ping that did it: the driver may end everything at this notice.
            events.Post(new EventItem(instance, instance.Handle, Revents.NoticeInstanceEnded, -1));
        }
    }

    /// <summary>Finishes a ping and runs those behind it until none is left, and the instance's end if that is due.</summary>
    /// <param name="instance">The instance.</param>
    /// <param name="slot">The ping, which is concluded.</param>
    public void GoOn(Instance instance, int slot)
    {
        while (true)
        {
            GiveBack(instance, slot);
            if (instance.Failed)
            {
                DisposeImplementation(instance); // the device's code again, which may hang: the guest knows already
            }

            var more = instance.Finish(out var mustEnd);
            var next = more ? pings.Behind(slot) : -1;
            pings.Release(slot);
            if (!more)
            {
                if (mustEnd)
                {
                    End(instance);
                }

                return;
            }

            slot = next;
            ref var row = ref pings[slot];
            Interlocked.MemoryBarrier();
            var revents = Execute(instance, in row.Message);
            Interlocked.MemoryBarrier();
            Conclude(instance, slot, ref row, revents);
        }
    }

    /// <summary>Ends an instance that runs nothing any more.</summary>
    public void End(Instance instance)
    {
        DisposeImplementation(instance);
        foreach (var held in instance.TakeAllHeld())
        {
            objects.Drop(held);
        }

        instances.Remove(instance);
        events.Post(EventItem.Farewell(instance));
        counters.Add(Counter.InstancesEnded);
        Log.InstanceEnded(logger, instance.Handle, instance.Identity);
        instance.MarkEnded();
        instances.NoteEnded(); // last: whoever waits for this takes away what is used above
    }

    /// <summary>Who answers pings that no instance takes, for the present driver.</summary>
    public Instance Stranger => Volatile.Read(ref _stranger);

    /// <summary>Answers a ping that no instance takes.</summary>
    /// <param name="stranger">The <see cref="Stranger"/> of the driver that sent it.</param>
    /// <param name="slot">The ping.</param>
    /// <param name="reason">For the log.</param>
    public void Refuse(Instance stranger, int slot, string reason)
    {
        ref var row = ref pings[slot];
        Reject(in row.Message, reason);
        returns.Post(pings.TakeTicket(slot));
        if (row.Message.Events != 0)
        {
            events.Answer(stranger, slot, ref row, Revents.Failed);
        }

        pings.Release(slot);
    }

    /// <summary>Gives the ring entry of a waiting ping back early, as far as the bounds allow. For the leading thread only.</summary>
    public void TakeOverWaiting(Instance instance, int slot)
    {
        if (instance.TakenOver < options.MaxPingsTakenOver && Volatile.Read(ref _takenOver) < MaxTakenOverInAll)
        {
            TakeOverRunning(instance, slot);
        }
    }

    /// <summary>Gives the ring entry of a ping back early. As long as this runs no other ping may be put into its row.</summary>
    public void TakeOverRunning(Instance instance, int slot)
    {
        var ticket = pings.TakeTicket(slot);
        if (ticket != PingRow.NoTicket)
        {
            CountTakenOver(instance, 1);
            counters.Add(Counter.PingsTakenOver);
            returns.Post(ticket);
        }
    }

    /// <summary>The driver is gone: answers to its pings that no instance took go nowhere.</summary>
    public void ForgetStrangers() => Interlocked.Exchange(ref _stranger, Instance.Stranger()).Abandon();

    private void GiveBack(Instance instance, int slot)
    {
        var ticket = pings.TakeTicket(slot);
        if (ticket == PingRow.NoTicket)
        {
            CountTakenOver(instance, -1);
        }
        else
        {
            returns.Post(ticket);
        }
    }

    private uint Cancel()
    {
        counters.Add(Counter.PingsCancelled);
        return Revents.Failed;
    }

    private uint Call(Instance instance, in PingMessage message)
    {
        if (message.ShmId == 0)
        {
            return CallBack(instance, new Ping(message.Metadata, message.Events, 0, 0, default));
        }

        if (!instance.TryGetHeld(message.ShmId, out var held) || !held.Object.TryUse())
        {
            Reject(in message, "the instance holds no such object");
            return Revents.Failed;
        }

        var shared = held.Object;
        try
        {
            if (!Bounds.Contains(shared.Size, message.ShmOffset, message.ShmSize))
            {
                Reject(in message, "the bytes are not inside the object");
                return Revents.Failed;
            }

            var offset = shared.Offset + message.ShmOffset;
            counters.Add(Counter.PingBytes, (long)message.ShmSize);
            return CallBack(instance, new Ping(
                message.Metadata, message.Events, message.ShmId, ArenaAddress + offset, new SharedRange(arena, offset, message.ShmSize)));
        }
        finally
        {
            objects.Release(shared);
        }
    }

    private uint CallBack(Instance instance, in Ping ping)
    {
        try
        {
            return instance.Implementation!.OnPing(in ping) & Revents.DeviceMask;
        }
#pragma warning disable CA1031 // whatever a device throws ends its instance and nothing else
        catch (Exception e)
#pragma warning restore CA1031
        {
            Fail(instance, e);
            return Revents.Failed;
        }
    }

    private void Fail(Instance instance, Exception exception)
    {
        instance.MarkFailed();
        instances.NoteFailed(instance);
        counters.Add(Counter.InstancesFailed);
        if (guestLog.Allows(out var log))
        {
            Log.PingThrew(log, instance.Handle, instance.Identity, exception);
        }
    }

    private void DisposeImplementation(Instance instance)
    {
        var implementation = instance.Implementation;
        instance.Implementation = null;
        try
        {
            implementation?.Dispose();
        }
#pragma warning disable CA1031 // as above
        catch (Exception e)
#pragma warning restore CA1031
        {
            if (guestLog.Allows(out var log))
            {
                Log.DisposeThrew(log, instance.Handle, instance.Identity, e);
            }
        }
        finally
        {
            foreach (var hold in instance.Holds.End())
            {
                objects.Release(hold.Shared);
            }
        }
    }

    private void CountTakenOver(Instance instance, int change)
    {
        instance.CountTakenOver(change);
        Interlocked.Add(ref _takenOver, change);
    }

    private void Reject(in PingMessage message, string reason)
    {
        counters.Add(Counter.PingsRejected);
        if (guestLog.Allows(out var log))
        {
            Log.PingRejected(log, reason, message.InstanceHandle, message.ShmId, message.ShmOffset, message.ShmSize);
        }
    }
}
