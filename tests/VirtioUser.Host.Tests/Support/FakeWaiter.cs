// A doorbell for the thread that leads the ping queue.
using VirtioUser.Host.Pings;

namespace VirtioUser.Host.Tests.Support;

/// <summary>Latches, as an eventfd does.</summary>
internal sealed class FakeWaiter : IQueueWaiter
{
    private readonly object _changed = new();
    private bool _rung;
    private bool _asleep;

    public void Wait()
    {
        lock (_changed)
        {
            _asleep = true;
            Monitor.PulseAll(_changed);
            while (!_rung)
            {
                Monitor.Wait(_changed);
            }

            _rung = _asleep = false;
        }
    }

    public void Wake()
    {
        lock (_changed)
        {
            _rung = true;
            Monitor.PulseAll(_changed);
        }
    }

    /// <summary>Waits until a thread sleeps here and nobody has woken it.</summary>
    public void WaitForSleeper() => Patience.WaitUntil(_changed, () => _asleep && !_rung, () => "the leader's sleep");
}
