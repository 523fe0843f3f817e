// The ping queue as the device model sees it: take a message, and give its entry back when it is done.
using VirtioUser.Protocol;

namespace VirtioUser.Host.Pings;

/// <summary>
/// A transport's ping queue (virtqueue 2). <see cref="TryTake"/>, <see cref="HasNext"/> and <see cref="ArmKick"/> are called by one
/// thread at a time, <see cref="Return"/> and <see cref="FlushReturns"/> by one thread at a time, the two
/// groups at the same time. None of them may throw for what a guest does.
/// </summary>
public interface IPingQueue
{
    /// <summary>Whether something is there to take; only looks.</summary>
    bool HasNext { get; }

    /// <summary>Takes the next message, copied once.</summary>
    /// <param name="message">Where the copy goes; written only for <see cref="PingTake.Taken"/>.</param>
    /// <param name="ticket">The ring entry, to be given back; set unless the queue is empty.</param>
    PingTake TryTake(ref PingMessage message, out ushort ticket);

    /// <summary>Asks to be kicked for the next message.</summary>
    /// <returns>False if a message has come meanwhile.</returns>
    bool ArmKick();

    /// <summary>Gives a ring entry back.</summary>
    /// <param name="ticket">From <see cref="TryTake"/>.</param>
    void Return(ushort ticket);

    /// <summary>Tells the guest about returned entries, if it wants to know.</summary>
    void FlushReturns();
}
