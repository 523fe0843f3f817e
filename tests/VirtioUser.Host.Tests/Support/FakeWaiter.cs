// Doorbells for the workers of a test.
using VirtioUser.Host.Workers;

namespace VirtioUser.Host.Tests.Support;

/// <summary>Latches, as eventfds in an epoll set do: kicks that nobody has waited for are one.</summary>
internal sealed class FakeWaiter : IWorkWaiter
{
    private readonly object _changed = new();
    private bool _kicked;
    private bool _woken;
    private int _waiting;

    /// <summary>What a kick is for. Set before the first.</summary>
    public IWork? Work { get; set; }

    /// <summary>Whether that many threads wait, and nothing is there to be waited for.</summary>
    public bool IsQuiet(int threads)
    {
        lock (_changed)
        {
            return !_kicked && !_woken && _waiting == threads;
        }
    }

    public IWork? Wait()
    {
        lock (_changed)
        {
            while (!_kicked && !_woken)
            {
                _waiting++;
                Monitor.Wait(_changed);
                _waiting--;
            }

            if (_woken)
            {
                _woken = false;
                return null;
            }

            _kicked = false;
            return Work;
        }
    }

    /// <summary>The guest kicks.</summary>
    public void Kick()
    {
        lock (_changed)
        {
            _kicked = true;
            Monitor.Pulse(_changed);
        }
    }

    public void Wake()
    {
        lock (_changed)
        {
            _woken = true;
            Monitor.Pulse(_changed);
        }
    }
}
