// Whether the guest sees the arena, and so whether config requests may be taken.
using Microsoft.Extensions.Logging;
using VirtioUser.Host;

namespace VirtioUser.Daemon;

/// <summary>
/// A driver may map an object as soon as it has the reply, so requests wait until the arena is in the guest. What is
/// learnt of a start that is over is ignored. Any thread.
/// </summary>
internal sealed class ArenaView : IDisposable
{
    // A front-end that lists mapped regions in its memory table does so at once; one that never does is waited for this long.
    private static readonly TimeSpan ListingGrace = TimeSpan.FromMilliseconds(500);

    // After this the log says that a driver's requests wait, and for what.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly DeviceModel _model;
    private readonly ILogger _logger;
    private readonly Timer _grace;
    private readonly Timer _patience;
    private bool _started;
    private bool _listed;
    private bool _inGrace;
    private bool _open;

    /// <summary>Nothing is started.</summary>
    /// <param name="model">Told whether and where the guest sees the arena; its config requests wait for that.</param>
    /// <param name="logger">A log with a bound.</param>
    public ArenaView(DeviceModel model, ILogger logger)
    {
        (_model, _logger) = (model, logger);
        _grace = new Timer(_ => EndGrace());
        _patience = new Timer(_ => EndPatience());
    }

    /// <summary>A driver starts the device; what the guest sees is not known yet.</summary>
    public void Start()
    {
        lock (_lock)
        {
            Forget();
            _started = true;
            _patience.Change(Patience, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>The memory table lists the arena: the guest sees it.</summary>
    public void Show(ulong guestAddress)
    {
        lock (_lock)
        {
            (_listed, _inGrace) = (true, false);
            _model.ArenaAddress = guestAddress;
            Open(usable: true);
        }
    }

    /// <summary>The memory table does not list the arena any more: the guest may be moving it.</summary>
    public void Hide()
    {
        lock (_lock)
        {
            _model.ArenaAddress = 0;
            Forget();
            _patience.Change(Patience, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>The front-end says that it has mapped the arena. If its memory table ever lists it, it will do so soon.</summary>
    public void NoteMapped()
    {
        lock (_lock)
        {
            if (_started && !_listed)
            {
                _inGrace = true;
                _grace.Change(ListingGrace, Timeout.InfiniteTimeSpan);
            }
        }
    }

    /// <summary>The front-end can not map the arena: requests are answered, but nothing can be allocated.</summary>
    public void NoteFailed()
    {
        lock (_lock)
        {
            if (_started)
            {
                Open(usable: false);
            }
        }
    }

    /// <summary>The device is stopped. Callbacks that still run keep the address that they know.</summary>
    public void Stop()
    {
        lock (_lock)
        {
            Forget();
            _started = false;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _grace.Dispose();
        _patience.Dispose();
    }

    private void EndGrace()
    {
        lock (_lock)
        {
            if (_inGrace)
            {
                _inGrace = false;
                Log.ArenaNotListed(_logger, ListingGrace.TotalMilliseconds);
                Open(usable: true);
            }
        }
    }

    private void EndPatience()
    {
        lock (_lock)
        {
            if (_started && !_open)
            {
                Log.ArenaAwaited(_logger, Patience.TotalSeconds);
            }
        }
    }

    private void Open(bool usable)
    {
        _open = true;
        _model.ArenaUsable = usable;
        _model.Config.SetOpen(true);
    }

    private void Forget()
    {
        (_listed, _inGrace, _open) = (false, false, false);
        _model.Config.SetOpen(false);
        _model.ArenaUsable = false;
    }
}
