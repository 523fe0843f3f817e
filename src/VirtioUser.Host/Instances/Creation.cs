// An attempt to make an instance, which may never come back.
using VirtioUser.Host.Workers;

namespace VirtioUser.Host.Instances;

/// <summary>Runs on a worker; whoever waits for it may give up. It counts for the one who finishes it or for the one who gives up, not both.</summary>
/// <param name="make">Makes the instance, or says why there is none. Must not throw.</param>
/// <param name="throwAway">Ends an instance that nobody waits for any more.</param>
/// <param name="over">Called when the device's code has returned.</param>
internal sealed class Creation(Func<(Instance? Instance, string Reason)> make, Action<Instance> throwAway, Action over) : IWork
{
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _settled;

    /// <summary>What came of it, after <see cref="Wait"/>.</summary>
    public (Instance? Instance, string Reason) Result { get; private set; }

    /// <inheritdoc/>
    public void Run()
    {
        Result = make();
        over();
        if (TrySettle())
        {
            _done.SetResult();
        }
        else if (Result.Instance is { } late)
        {
            throwAway(late);
        }
    }

    /// <summary>Waits for the end, for a bounded time. Once.</summary>
    /// <returns>False if it took too long: whatever comes of it is thrown away.</returns>
    public bool Wait(TimeSpan timeout)
    {
        if (_done.Task.Wait(timeout) || !TrySettle())
        {
            _done.Task.Wait(); // settled: it is set at any moment
            return true;
        }

        return false;
    }

    private bool TrySettle() => Interlocked.Exchange(ref _settled, 1) == 0;
}
