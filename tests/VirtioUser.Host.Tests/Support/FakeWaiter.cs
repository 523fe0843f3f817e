// A doorbell for the thread that leads the ping queue.
using VirtioUser.Host.Pings;

namespace VirtioUser.Host.Tests.Support;

/// <summary>Latches, as an eventfd does.</summary>
internal sealed class FakeWaiter : IQueueWaiter
{
    private readonly object _changed = new();
    private bool _rung;

    public void Wait()
    {
        lock (_changed)
        {
            while (!_rung)
            {
                Monitor.Wait(_changed);
            }

            _rung = false;
        }
    }

    public void Wake()
    {
        lock (_changed)
        {
            _rung = true;
            Monitor.Pulse(_changed);
        }
    }
}
