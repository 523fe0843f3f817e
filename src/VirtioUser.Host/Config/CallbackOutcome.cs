// What became of a callback that may never come back.
namespace VirtioUser.Host.Config;

/// <summary>The outcome of <see cref="CallbackThread.Run"/>.</summary>
internal enum CallbackOutcome
{
    /// <summary>It has returned.</summary>
    Finished,

    /// <summary>It has not returned in time, and goes on.</summary>
    StillRunning,

    /// <summary>It was not called: the system has no thread left.</summary>
    NotStarted,
}
