// The answers that one caller waits for.
namespace VirtioUser.Guest.Messages;

/// <summary>
/// Answers to one or more pings of one call. Filled by whichever thread receives, under its lock;
/// <see cref="Task"/> and <see cref="Fail"/> are for any thread at any time.
/// </summary>
internal sealed class PendingAnswers
{
    private readonly TaskCompletionSource? _completion;
    private uint[] _answers = [0];
    private int _count = 1;
    private int _missing = 1;

    /// <summary>Makes one for one ping; <see cref="Reset"/> makes it ready for another use.</summary>
    /// <param name="asynchronous">Whether <see cref="Task"/> is wanted.</param>
    public PendingAnswers(bool asynchronous) =>
        _completion = asynchronous ? new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously) : null;

    /// <summary>Completes with the last answer, or fails. Only for asynchronous use.</summary>
    public Task Task => _completion!.Task;

    /// <summary>Whether every answer is there.</summary>
    public bool IsComplete => _missing == 0;

    /// <summary>The answers, in the order of the pings.</summary>
    public ReadOnlySpan<uint> Answers => _answers.AsSpan(0, _count);

    /// <summary>Prepares for a call.</summary>
    /// <param name="count">The number of pings.</param>
    public void Reset(int count)
    {
        if (_answers.Length < count)
        {
            _answers = new uint[count];
        }

        _count = _missing = count;
    }

    /// <summary>Takes an answer.</summary>
    /// <param name="index">The ping's place in the call.</param>
    /// <param name="revents">The answer.</param>
    public void Complete(int index, uint revents)
    {
        _answers[index] = revents;
        if (--_missing == 0)
        {
            _completion?.TrySetResult();
        }
    }

    /// <summary>Tells the caller that no answer will come, or that it wanted to wait no longer.</summary>
    public void Fail(Exception exception)
    {
        if (exception is OperationCanceledException cancelled)
        {
            _completion?.TrySetCanceled(cancelled.CancellationToken);
        }
        else
        {
            _completion?.TrySetException(exception);
        }
    }
}
