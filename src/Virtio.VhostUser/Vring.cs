// What the front-end said about one ring.
using Virtio.Linux;
using Virtio.Queues;

namespace Virtio.VhostUser;

/// <summary>
/// The state of one ring: stopped until everything needed has come, started from then to GET_VRING_BASE or to being
/// disabled (vhost-user, "Ring states").
/// </summary>
internal sealed class Vring(int index, SignalHelper signals) : IDisposable
{
    private bool _told;
    private ushort _stoppedAt;

    internal int Index => index;

    /// <summary>Number of descriptors; 0 until told.</summary>
    internal ushort Size { get; set; }

    /// <summary>The available index from which to go on: what the front-end told, or where the ring stopped since; null until one of them.</summary>
    internal ushort? Base { get; private set; }

    /// <summary>Whether the front-end has told a position since the ring stopped, from which a driver goes on.</summary>
    internal bool GoesOn => _told && Base != 0;

    /// <summary>Whether the front-end has told the position 0 since the ring stopped elsewhere: only a new driver does that.</summary>
    internal bool BeginsAnew => _told && Base == 0 && _stoppedAt != 0;

    /// <summary>The guest addresses of the rings (its size is not used); null until told.</summary>
    internal QueueLayout? Addresses { get; set; }

    internal bool Enabled { get; set; }

    internal EventFd? Kick { get; private set; }

    internal CallSignal Call { get; } = new(signals, makesUp: true);

    internal CallSignal Error { get; } = new(signals, makesUp: false);

    /// <summary>The queue that the device works on; null while the ring is stopped.</summary>
    internal StartedQueue? Started { get; set; }

    /// <summary>The front-end tells the position. The ring must have stopped.</summary>
    internal void Tell(ushort position) => (Base, _told) = (position, true);

    /// <summary>The ring stops where it is.</summary>
    internal void StopAt(ushort position)
    {
        (Base, _stoppedAt, _told) = (position, position, false);
        Started = null;
    }

    internal void ReplaceKick(EventFd? kick)
    {
        Kick?.Dispose();
        Kick = kick;
    }

    /// <summary>Gets every thread out of the front-end's descriptors, so that one that is stuck there can be waited for.</summary>
    internal void Mute()
    {
        Call.Mute();
        Error.Mute();
    }

    /// <summary>Undoes <see cref="Mute"/>.</summary>
    internal void Unmute()
    {
        Call.Unmute();
        Error.Unmute();
    }

    /// <summary>Closes the descriptors. The ring must have stopped.</summary>
    public void Dispose()
    {
        ReplaceKick(null);
        Call.Replace(null);
        Error.Replace(null);
    }
}
