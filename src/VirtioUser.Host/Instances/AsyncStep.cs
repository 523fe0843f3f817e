// Work of a device that goes on without a thread of the host.
namespace VirtioUser.Host.Instances;

/// <summary>What an instance waits for.</summary>
internal enum AsyncKind
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Room for the answer to the current ping, whose callback has not begun.</summary>
    Room,

    /// <summary>The answer to the current ping.</summary>
    Answer,

    /// <summary>That the device's code returns which hears that the instance ends.</summary>
    Ending,

    /// <summary>The end of the device's own object.</summary>
    Disposal,
}

/// <summary>For the one who runs the strand. One step at a time, and nothing is allocated for it.</summary>
internal sealed class AsyncStep
{
    private ValueTask<uint> _answer;
    private ValueTask _disposal;

    /// <summary>What is waited for.</summary>
    public AsyncKind Kind { get; set; }

    /// <summary>Called when it is there, on any thread. Set once.</summary>
    public Action? Completed { get; set; }

    /// <summary>Waits for an answer. When this returns the strand may be somebody else's already.</summary>
    public void Await(ValueTask<uint> answer)
    {
        (Kind, _answer) = (AsyncKind.Answer, answer);
        answer.ConfigureAwait(false).GetAwaiter().UnsafeOnCompleted(Completed!); // whatever context a device has left on this thread
    }

    /// <summary>Waits until the device's code has returned that hears of the end. When this returns the strand may be somebody else's already.</summary>
    public void Await(Task told)
    {
        Kind = AsyncKind.Ending;
        told.ConfigureAwait(false).GetAwaiter().UnsafeOnCompleted(Completed!);
    }

    /// <summary>Waits for the end of the device's object. When this returns the strand may be somebody else's already.</summary>
    public void Await(ValueTask disposal)
    {
        (Kind, _disposal) = (AsyncKind.Disposal, disposal);
        disposal.ConfigureAwait(false).GetAwaiter().UnsafeOnCompleted(Completed!);
    }

    /// <summary>The answer, which is there; throws what the device threw.</summary>
    public uint TakeAnswer()
    {
        var answer = _answer;
        (Kind, _answer) = (AsyncKind.None, default);
        return answer.GetAwaiter().GetResult();
    }

    /// <summary>Ends the wait for the device's object; throws what the device threw.</summary>
    public void TakeDisposal()
    {
        var disposal = _disposal;
        (Kind, _disposal) = (AsyncKind.None, default);
        disposal.GetAwaiter().GetResult();
    }
}
