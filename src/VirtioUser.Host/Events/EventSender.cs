// A device that waits for room for an event.
namespace VirtioUser.Host.Events;

/// <summary>
/// One call of <c>SendEventAsync</c> that waits. It carries its event, so that the lane itself sends it when there is room: a call that
/// came later cannot take the place, and one that is cancelled wastes none.
/// </summary>
/// <param name="revents">The device's bits.</param>
internal sealed class EventSender(uint revents)
{
    private readonly TaskCompletionSource<bool> _over = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The device's bits.</summary>
    public uint Revents => revents;

    /// <summary>True if the event was sent, false if the instance ended before.</summary>
    public Task<bool> Over => _over.Task;

    /// <summary>What came of it; only touched while the event lane is held, until it is in nobody's list.</summary>
    public bool IsSent { get; set; }

    /// <summary>Lets the caller go on with <see cref="IsSent"/>. Outside the lane.</summary>
    public void Finish() => _over.TrySetResult(IsSent);

    /// <summary>The caller waits no more. Outside the lane.</summary>
    public void Cancel(CancellationToken cancellationToken) => _over.TrySetCanceled(cancellationToken);
}
