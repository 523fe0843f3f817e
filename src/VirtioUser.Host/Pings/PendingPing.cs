// A ping that was taken from the ring and is not finished.
using VirtioUser.Host.Memory;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Pings;

/// <summary>
/// Belongs to the lane until it is an instance's turn, then to the thread that runs the instance. Used again and again: a ping allocates nothing.
/// </summary>
internal sealed class PendingPing
{
    /// <summary>What the guest sent, copied once.</summary>
    public PingMessage Message;

    /// <summary>The next one in the same list.</summary>
    public PendingPing? Next { get; set; }

    /// <summary>The ring entry, if it was not given back yet.</summary>
    public ushort? Head { get; set; }

    /// <summary>The driver that sent it.</summary>
    public DriverSession? Driver { get; set; }

    /// <summary>What it names is no ping at all.</summary>
    public bool IsMalformed { get; set; }

    /// <summary>The object whose bytes the callback uses.</summary>
    public SharedObject? Used { get; set; }
}
