// A queue of a device in another process.
using Virtio.Linux;
using Virtio.Queues;

namespace Virtio.VhostUser;

/// <summary>The driver's side of a queue and its two descriptors. Lives from the start of the device to its stop.</summary>
public sealed class RemoteQueue
{
    // The back-end shares the descriptor, and could keep a thread in a kick for good.
    private readonly CallSignal _kick = new(helper: null, makesUp: false);

    internal RemoteQueue(DriverQueue driver, EventFd kick, EventFd call)
    {
        (Driver, Kick, Call) = (driver, kick, call);
        _kick.Replace(kick);
        _kick.Unmute();
    }

    /// <summary>The rings, for one thread at a time.</summary>
    public DriverQueue Driver { get; }

    /// <summary>Signalled by the device when chains came back and the driver asked for a call; sometimes for nothing.</summary>
    public EventFd Call { get; }

    internal EventFd Kick { get; }

    /// <summary>Kicks the device if it wants to know of what was made available. For the thread that works the rings.</summary>
    /// <exception cref="QueueException">The queue is broken.</exception>
    public void KickIfWanted()
    {
        if (Driver.MustKick())
        {
            _kick.Signal();
        }
    }

    /// <summary>Kicks the device whatever it wants. Any thread.</summary>
    public void SignalKick() => _kick.Signal();

    /// <summary>Lets no kick through any more, and gets threads out that are stuck in one.</summary>
    internal void Mute() => _kick.Mute();

    internal void Close()
    {
        _kick.Replace(null);
        Call.Dispose();
    }
}
