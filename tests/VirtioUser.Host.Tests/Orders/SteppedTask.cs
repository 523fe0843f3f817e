// A task that stops wherever its end could come between.
using System.Threading.Tasks.Sources;

namespace VirtioUser.Host.Tests.Orders;

/// <summary>The answer of an asynchronous callback. Can be ended by several, of whom the first counts.</summary>
internal sealed class SteppedTask : IValueTaskSource<uint>
{
    private ManualResetValueTaskSourceCore<uint> _core;
    private bool _isOver;

    public ValueTask<uint> Task => new(this, _core.Version);

    public void Answer(uint revents)
    {
        if (!_isOver)
        {
            _isOver = true;
            _core.SetResult(revents);
        }
    }

    public void Cancel(CancellationToken token)
    {
        if (!_isOver)
        {
            _isOver = true;
            _core.SetException(new OperationCanceledException(token));
        }
    }

    public uint GetResult(short token) => _core.GetResult(token);

    public ValueTaskSourceStatus GetStatus(short token)
    {
        var status = _core.GetStatus(token);
        Order.Stop();
        return status;
    }

    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
    {
        Order.Stop(); // between the look and the wait
        if (_isOver)
        {
            continuation(state); // here, and not on a thread that is no actor
        }
        else
        {
            _core.OnCompleted(continuation, state, token, flags);
        }

        Order.Stop(); // the strand may be somebody else's now
    }
}
