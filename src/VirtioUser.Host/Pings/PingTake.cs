// What taking a ping came to.
namespace VirtioUser.Host.Pings;

/// <summary>The outcome of <see cref="IPingQueue.TryTake"/>.</summary>
public enum PingTake
{
    /// <summary>Nothing there.</summary>
    Empty,

    /// <summary>A whole message.</summary>
    Taken,

    /// <summary>An entry that is not exactly the 44 readable bytes of a ping.</summary>
    Malformed,
}
