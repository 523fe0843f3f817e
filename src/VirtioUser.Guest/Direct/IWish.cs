// What a thread waits for.
using Virtio.Linux;

namespace VirtioUser.Guest.Direct;

/// <summary>A condition that <see cref="EventPump"/> waits for. Whoever makes it true notifies the instance.</summary>
internal interface IWish
{
    /// <summary>Whether it has come true.</summary>
    bool IsFulfilled { get; }
}

/// <summary>The instance is ready for something, or the wait is interrupted.</summary>
internal readonly struct ReadinessWish(DirectChannel channel, PollEvents events, DirectInterrupt interrupt) : IWish
{
    public bool IsFulfilled => interrupt.IsSignalled || channel.Ready(events) != PollEvents.None;
}

/// <summary>The answer to the one ping that is under way has come.</summary>
internal readonly struct AnswerWish(DirectChannel channel) : IWish
{
    public bool IsFulfilled => channel.IsAnswered;
}

/// <summary>Nothing of the instance is in the ping ring any more.</summary>
internal readonly struct DrainedWish(DirectChannel channel) : IWish
{
    public bool IsFulfilled => channel.IsDrained;
}
