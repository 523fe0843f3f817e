// What a descriptor is ready for.
namespace Virtio.Linux;

/// <summary>What to wait for, or what happened (<c>POLL*</c>, the same bits as <c>EPOLL*</c>).</summary>
[Flags]
public enum PollEvents
{
    /// <summary>Nothing; as a result: the time ran out, or the wait was cancelled.</summary>
    None = 0,
    /// <summary>There is something to read.</summary>
    In = 1,
    /// <summary>Writing would not block.</summary>
    Out = 4,
    /// <summary>An error is pending. Reported without being asked for.</summary>
    Error = 8,
    /// <summary>The other side is gone. Reported without being asked for.</summary>
    HangUp = 16,
}
