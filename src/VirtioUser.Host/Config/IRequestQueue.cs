// The queue of config requests as the device model sees it.
namespace VirtioUser.Host.Config;

/// <summary>
/// A transport's queue of config requests (virtqueue 0). Called by one thread at a time, except for <see cref="IGuestSignal.Signal"/>. No
/// member may throw for what a guest does, or wait for it.
/// </summary>
public interface IRequestQueue : IGuestSignal
{
    /// <summary>Takes the next request, copied once, and gives its ring entry back.</summary>
    /// <param name="bytes">Where the copy goes, one byte longer than a message: so one that is too long shows itself.</param>
    /// <param name="length">How many bytes were copied.</param>
    /// <returns>False if there is none.</returns>
    bool TryTake(Span<byte> bytes, out int length);

    /// <summary>Asks to be kicked for the next request.</summary>
    /// <returns>False if one has come meanwhile.</returns>
    bool ArmKick();
}
