// Runs callbacks that may never come back, without ever being lost with them.
namespace VirtioUser.Host.Config;

/// <summary>
/// One thread that runs one action at a time for a caller that waits for a bounded time. When the time is
/// over the thread is left to its action, and the next action gets a new thread. For one caller at a time.
/// </summary>
internal sealed class CallbackThread : IDisposable
{
    private Worker? _worker;

    /// <summary>Runs an action on the thread.</summary>
    /// <param name="action">Must not throw.</param>
    /// <param name="timeout">How long to wait for it.</param>
    public CallbackOutcome Run(Action action, TimeSpan timeout)
    {
        _worker ??= Worker.TryStart();
        if (_worker is null)
        {
            return CallbackOutcome.NotStarted;
        }

        if (_worker.Run(action, timeout))
        {
            return CallbackOutcome.Finished;
        }

        _worker.Dispose();
        _worker = null;
        return CallbackOutcome.StillRunning;
    }

    /// <inheritdoc/>
    public void Dispose() => _worker?.Dispose();

    private sealed class Worker : IDisposable
    {
        private readonly SemaphoreSlim _start = new(0);
        private readonly SemaphoreSlim _done = new(0);
        private Action? _action;

        private Worker()
        {
        }

        /// <summary>Null if the system has no thread left.</summary>
        public static Worker? TryStart()
        {
            var worker = new Worker();
            return HostThread.TryStart(worker.Main, "callbacks") ? worker : null;
        }

        public bool Run(Action action, TimeSpan timeout)
        {
            Volatile.Write(ref _action, action);
            _start.Release();
            return _done.Wait(timeout);
        }

        /// <summary>The thread ends when it has nothing to run any more.</summary>
        public void Dispose()
        {
            _start.Release();
        }

        private void Main()
        {
            while (true)
            {
                _start.Wait();
                var action = Interlocked.Exchange(ref _action, null);
                if (action is null)
                {
                    _start.Dispose();
                    _done.Dispose();
                    return;
                }

                action();
                _done.Release();
            }
        }
    }
}
