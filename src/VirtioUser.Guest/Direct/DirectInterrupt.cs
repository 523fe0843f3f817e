// An interrupt for waits that are shared among the instances of one connection.
using VirtioUser.Guest.Channels;

namespace VirtioUser.Guest.Direct;

/// <summary>A flag, and a way to make the instance's waiting threads look at it.</summary>
/// <param name="notify">Makes them look.</param>
internal sealed class DirectInterrupt(Action notify) : Interrupt
{
    private int _signalled;
    private volatile bool _disposed;

    /// <summary>Whether a wait has to end.</summary>
    public bool IsSignalled => Volatile.Read(ref _signalled) != 0;

    /// <summary>Takes the signal.</summary>
    /// <returns>Whether there was one.</returns>
    public bool TryConsume()
    {
        ObjectDisposedException.ThrowIf(_disposed, typeof(VirtioUserDevice));
        return IsSignalled && Interlocked.Exchange(ref _signalled, 0) != 0;
    }

    public override void Signal()
    {
        Volatile.Write(ref _signalled, 1);
        notify();
    }

    public override void Dispose()
    {
        _disposed = true;
        Signal();
    }
}
