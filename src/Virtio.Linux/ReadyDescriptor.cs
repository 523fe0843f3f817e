// One result of EventPoll.Wait.
namespace Virtio.Linux;

/// <summary>A descriptor of an <see cref="EventPoll"/> on which something happened.</summary>
/// <param name="Token">The token with which it was added.</param>
/// <param name="Events">What happened.</param>
public readonly record struct ReadyDescriptor(ulong Token, PollEvents Events);
