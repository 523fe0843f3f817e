// How many instances a device model has.
namespace VirtioUser.Host.Instances;

/// <summary>
/// Bounds the instances of one VM. An instance has its place from before its device hears of it until nothing of it is left: an attempt
/// that hangs counts, and so do events that the guest has not taken. Any thread.
/// </summary>
/// <param name="bound">The most there can be.</param>
internal sealed class InstancePlaces(int bound)
{
    private readonly UseCount _live = new();
    private ulong _lastHandle;
    private int _taken;

    /// <summary>How many are taken.</summary>
    public int Taken => Volatile.Read(ref _taken);

    /// <summary>Complete when no instance is left, not even one that is being made or ended.</summary>
    public Task WhenNoneAsync() => _live.WhenNoneAsync();

    /// <summary>Takes a place.</summary>
    /// <returns>A handle that no other instance has or had; 0 when there are too many.</returns>
    public ulong TryTake()
    {
        if (Interlocked.Increment(ref _taken) > bound)
        {
            Interlocked.Decrement(ref _taken);
            return 0;
        }

        _live.Add();
        return Interlocked.Increment(ref _lastHandle);
    }

    /// <summary>Nothing is done for an instance any more, not even counting it. Once for each place.</summary>
    public void NoteEnded() => _live.Remove();

    /// <summary>Lets another instance have the place: nothing of this one is left.</summary>
    public void Return() => Interlocked.Decrement(ref _taken);
}
