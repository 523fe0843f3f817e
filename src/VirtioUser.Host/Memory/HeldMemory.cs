// The bytes that a device in C# keeps for longer than a ping.
using VirtioUser.Devices;

namespace VirtioUser.Host.Memory;

/// <summary>
/// What is behind a <see cref="HeldRange"/>: bytes that can be reached only while they are held. A device may still be at work on a span
/// when its instance has ended; that is a mistake, but the arena stays mapped until the device disposes of this, or the
/// garbage collector finds that nobody can.
/// </summary>
internal sealed class HeldMemory : ISharedMemory, IDisposable
{
    private readonly Hold _hold;
    private readonly SharedRange _range;
    private readonly HoldList _holds;
    private readonly ObjectTable _objects;
    private int _disposed;

    /// <summary>Stands for a hold.</summary>
    /// <param name="hold">The hold, which stands in the list.</param>
    /// <param name="range">Its bytes.</param>
    /// <param name="holds">The list of the instance.</param>
    /// <param name="objects">All objects.</param>
    public HeldMemory(Hold hold, SharedRange range, HoldList holds, ObjectTable objects)
    {
        (_hold, _range, _holds, _objects) = (hold, range, holds, objects);
        objects.BeginView();
    }

    ~HeldMemory() => EndView();

    /// <inheritdoc/>
    public ulong Length => _range.Length;

    /// <inheritdoc/>
    public Span<byte> GetSpan(ulong offset, int length)
    {
        ObjectDisposedException.ThrowIf(_hold.Ended, typeof(HeldRange));
        return _range.Slice(offset, length);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_holds.Remove(_hold))
        {
            _objects.Release(_hold.Shared);
        }

        EndView();
        GC.SuppressFinalize(this);
    }

    private void EndView()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            _objects.EndView();
        }
    }
}
