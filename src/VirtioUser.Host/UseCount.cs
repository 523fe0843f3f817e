// How many of something are in use, and when none is.
namespace VirtioUser.Host;

/// <summary>A count that can be waited for. Any thread.</summary>
internal sealed class UseCount
{
    private readonly Lock _lock = new();
    private TaskCompletionSource? _none;
    private int _count;

    /// <summary>One more is in use.</summary>
    public void Add()
    {
        lock (_lock)
        {
            _count++;
        }
    }

    /// <summary>One is no longer in use.</summary>
    public void Remove()
    {
        lock (_lock)
        {
            if (--_count == 0)
            {
                _none?.SetResult();
                _none = null;
            }
        }
    }

    /// <summary>Complete when none is in use for a moment; for good, if no other can begin.</summary>
    public Task WhenNoneAsync()
    {
        lock (_lock)
        {
            return _count == 0 ? Task.CompletedTask : (_none ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }
}
