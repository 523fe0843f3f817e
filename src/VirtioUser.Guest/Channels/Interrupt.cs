// Ends a wait for the device from another thread.
namespace VirtioUser.Guest.Channels;

/// <summary>What <see cref="DeviceChannel.Wait"/> looks at besides the device. Thread-safe.</summary>
internal abstract class Interrupt : IDisposable
{
    /// <summary>Ends the wait that is under way, or else the next one. Does nothing once disposed.</summary>
    public abstract void Signal();

    /// <summary>Ends the wait that is under way. Later ones fail with <see cref="ObjectDisposedException"/>.</summary>
    public abstract void Dispose();
}
