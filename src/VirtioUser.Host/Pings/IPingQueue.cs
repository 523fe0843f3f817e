// The ping queue as the device model sees it: take a message, and give its entry back.
using VirtioUser.Protocol;

namespace VirtioUser.Host.Pings;

/// <summary>
/// A transport's ping queue (virtqueue 2). Called by one thread at a time, except for <see cref="IGuestSignal.Signal"/>. No member may
/// throw for what a guest does, or wait for it.
/// </summary>
public interface IPingQueue : IGuestSignal
{
    /// <summary>Whether something is there to take; only looks.</summary>
    bool HasNext { get; }

    /// <summary>Takes the next message, copied once.</summary>
    /// <param name="message">Where the copy goes; written only for <see cref="PingTake.Taken"/>.</param>
    /// <param name="head">The ring entry, to be given back; set unless the queue is empty.</param>
    /// <param name="budget">Goes down by as many descriptors as were read, at least 1 unless the queue is empty.</param>
    PingTake TryTake(ref PingMessage message, out ushort head, ref int budget);

    /// <summary>Asks to be kicked for the next message.</summary>
    /// <returns>False if a message has come meanwhile.</returns>
    bool ArmKick();

    /// <summary>Asks not to be kicked.</summary>
    void DisarmKick();

    /// <summary>Gives a ring entry back.</summary>
    /// <param name="head">From <see cref="TryTake"/>.</param>
    void Return(ushort head);
}
