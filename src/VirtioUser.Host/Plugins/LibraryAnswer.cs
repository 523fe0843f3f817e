// What a shared library completes later.
using System.Threading.Tasks.Sources;
using VirtioUser.Devices;

namespace VirtioUser.Host.Plugins;

/// <summary>
/// One thing at a time that a library has begun and completes on any thread: a ping, or the end of an instance. It has a number that is
/// never used again in the process, so completing something else by mistake does nothing. Used again and again: allocates nothing.
/// </summary>
/// <remarks>
/// Who waits goes on within <see cref="TryComplete"/>, and never on the runtime's pool, which devices may block: it must not wait for
/// anything. For one who waits at a time.
/// </remarks>
internal sealed class LibraryAnswer : IValueTaskSource<uint>, IValueTaskSource
{
    private static readonly Action<object?> IsComplete = static _ => { };
    private static long s_lastNumber;

    private Action<object?>? _continuation; // or IsComplete
    private object? _state;
    private long _open; // the number of what is open; 0 if nothing is
    private uint _revents;
    private int? _failure;

    /// <summary>What is waited for, from <see cref="Begin"/> on; throws a <see cref="PingException"/> if it failed.</summary>
    public ValueTask<uint> Answer => new(this, 0);

    /// <summary>The same, for what has no answer.</summary>
    public ValueTask Completion => new(this, 0);

    /// <summary>Begins something; what was before must be over.</summary>
    /// <returns>Its number; never 0.</returns>
    public ulong Begin()
    {
        (_continuation, _state, _failure) = (null, null, null);
        var number = Interlocked.Increment(ref s_lastNumber);
        Volatile.Write(ref _open, number);
        return (ulong)number;
    }

    /// <summary>Completes what is open. Any thread; the strand may be somebody else's before this returns.</summary>
    /// <param name="number">What <see cref="Begin"/> returned.</param>
    /// <param name="revents">The answer.</param>
    /// <param name="failure">The code with which it failed; null if it did not.</param>
    /// <returns>False, and nothing happens, if something else is open, or nothing.</returns>
    public bool TryComplete(ulong number, uint revents, int? failure = null)
    {
        if (number == 0 || Interlocked.CompareExchange(ref _open, 0, (long)number) != (long)number)
        {
            return false;
        }

        (_revents, _failure) = (revents, failure);
        Seam.Pass();
        Interlocked.Exchange(ref _continuation, IsComplete)?.Invoke(_state);
        return true;
    }

    /// <inheritdoc/>
    public ValueTaskSourceStatus GetStatus(short token)
    {
        var isComplete = Volatile.Read(ref _continuation) == IsComplete;
        Seam.Pass();
        return !isComplete ? ValueTaskSourceStatus.Pending : _failure is null ? ValueTaskSourceStatus.Succeeded : ValueTaskSourceStatus.Faulted;
    }

    /// <inheritdoc/>
    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
    {
        _state = state; // before it can be seen that somebody waits
        Seam.Pass();
        if (Interlocked.CompareExchange(ref _continuation, continuation, null) is not null)
        {
            continuation(state); // complete since it was looked at
        }
    }

    /// <inheritdoc/>
    public uint GetResult(short token) => _failure is { } code ? throw new PingException(code, "The library failed it.") : _revents;

    void IValueTaskSource.GetResult(short token) => GetResult(token);
}
