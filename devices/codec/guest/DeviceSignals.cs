// How the guest wakes the device, and the device the guest.
using VirtioUser.Guest;

namespace VirtioUser.Codec;

/// <summary>Sends doorbells and reads events, both only where one side sleeps. Not thread-safe.</summary>
/// <param name="device">The open device.</param>
/// <param name="rings">The rings.</param>
internal sealed class DeviceSignals(VirtioUserDevice device, SharedRings rings)
{
    // A device that sleeps is woken for so many chunks, unless the program looks for outputs before.
    private const int ChunksPerDoorbell = 8;

    // Events of waits that ended before they came; so many are left unread at most.
    private const int OwedMaximum = 64;

    private int _chunksUntold;
    private bool _untold;
    private int _owed;

    /// <summary>How many pings were sent.</summary>
    public long PingsSent { get; private set; }

    /// <summary>How many events of the device were received.</summary>
    public long EventsReceived { get; private set; }

    /// <summary>Sends a ping that is answered.</summary>
    public uint Ask(PingRequest request)
    {
        PingsSent++;
        return device.Ping(request);
    }

    /// <summary>Notes that something was taken or given back, of which the device learns from <see cref="Tell"/> if it sleeps.</summary>
    public void NoteChange() => _untold = true;

    /// <summary>Notes a chunk; the device learns of it here if several have come together.</summary>
    public void NoteChunk()
    {
        _untold = true;
        if (++_chunksUntold == ChunksPerDoorbell)
        {
            Tell();
        }
    }

    /// <summary>Wakes the device if it sleeps and something has changed since the last time.</summary>
    public void Tell()
    {
        if (!_untold)
        {
            return;
        }

        _untold = false;
        _chunksUntold = 0;
        if (!rings.TakeDeviceWaits())
        {
            return;
        }

        PingsSent++;
        device.Send(new PingRequest(Protocol.Doorbell));
    }

    /// <summary>Sleeps until the device sends an event. <see cref="SharedRings.Want"/> came before, and a look at the rings.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    public void Sleep(CancellationToken cancellationToken)
    {
        try
        {
            device.ReadEvent(cancellationToken);
            EventsReceived++;
        }
        catch (OperationCanceledException)
        {
            // Who does not sleep must not say so: the device would believe that no picture comes back.
            StayAwake();
            throw;
        }
        catch (EventsLostException)
        {
            // Only a device that sends more than it is asked for loses some; the rings tell all that matters.
        }
    }

    /// <summary>The end of <see cref="SharedRings.Want"/> for one that did not sleep after all.</summary>
    public void StayAwake()
    {
        // If the device was faster, its event is read by a later wait, which then ends without a reason; but they must not pile up.
        if (!rings.TryUnwant() && ++_owed >= OwedMaximum)
        {
            ReadOwed();
        }
    }

    private void ReadOwed()
    {
        _owed = 0;
        try
        {
            while (device.TryReadEvent(out _))
            {
                EventsReceived++;
            }
        }
        catch (EventsLostException)
        {
            // As in Sleep.
        }
    }
}
