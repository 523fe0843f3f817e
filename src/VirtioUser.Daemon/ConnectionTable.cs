// The connections that are served, and who of them must go when another front-end waits.
using System.Diagnostics;

namespace VirtioUser.Daemon;

/// <summary>
/// Has a bounded number of places. When all are taken, the connection that has been longest without a running driver yields its place:
/// what only connects, stands still or is half set up must not keep others waiting for good. Nor must a connection whose thread the
/// front-end has the kernel hold: after a time it is left to itself. A running driver keeps its place. Any thread.
/// </summary>
/// <param name="places">How many connections are served at once.</param>
/// <param name="yieldAfter">How long one may be without a running driver while another front-end waits.</param>
internal sealed class ConnectionTable(int places, TimeSpan yieldAfter)
{
    // Each connection that is left behind keeps a thread, what it has sent and its arena.
    private const int MaxLeftBehind = 16;

    // How long a connection may take to end; what it waits for itself takes less.
    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(10);

    // How often it is looked whether connections of running drivers have ended while somebody waits.
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);

    private readonly object _gate = new(); // not a Lock: it is waited on

    // All of these under the gate. What has no place and is there still is over, or left behind.
    private readonly Dictionary<VmConnection, Place> _served = [];
    private readonly HashSet<VmConnection> _all = [];
    private int _reserved, _leftBehind;
    private bool _stopping;

    /// <summary>Reserves a place if one is free. Does not wait.</summary>
    /// <returns>Whether there is one now for <see cref="TryAdd"/>.</returns>
    public bool TryReserve()
    {
        lock (_gate)
        {
            var free = !_stopping && _served.Count + _reserved < places;
            _reserved += free ? 1 : 0;
            return free;
        }
    }

    /// <summary>Gives back a place that was reserved and has no taker.</summary>
    public void Release()
    {
        lock (_gate)
        {
            _reserved--;
        }
    }

    /// <summary>Gives a connection the place that was reserved. To be called before the connection begins.</summary>
    /// <returns>False after <see cref="Stop"/>: it must not begin.</returns>
    public bool TryAdd(VmConnection connection)
    {
        lock (_gate)
        {
            _reserved--;
            if (!_stopping)
            {
                _served[connection] = new Place();
                _all.Add(connection);
            }

            return !_stopping;
        }
    }

    /// <summary>A driver of a connection starts the device, or stops it.</summary>
    public void NoteDriver(VmConnection connection, bool runs)
    {
        lock (_gate)
        {
            if (_served.TryGetValue(connection, out var place))
            {
                (place.DriverRuns, place.IdleSince) = (runs, Stopwatch.GetTimestamp());
                Monitor.PulseAll(_gate);
            }
        }
    }

    /// <summary>A connection is over; callbacks of its instances may run still.</summary>
    public void NoteOver(VmConnection connection)
    {
        lock (_gate)
        {
            if (!_served.Remove(connection))
            {
                _leftBehind--;
            }

            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Nothing is left of a connection.</summary>
    public void NoteGone(VmConnection connection)
    {
        lock (_gate)
        {
            _all.Remove(connection);
        }
    }

    /// <summary>Waits until a place is free, and reserves it; sees to it that one becomes free if possible. One thread at a time.</summary>
    /// <param name="stillWaits">Whether somebody is there who wants it, asked before a connection is ended.</param>
    /// <returns>False if nobody is there any more, or after <see cref="Stop"/>.</returns>
    public bool WaitForPlace(Func<bool> stillWaits)
    {
        lock (_gate)
        {
            while (!_stopping)
            {
                if (TryReserve())
                {
                    return true;
                }

                if (!stillWaits())
                {
                    return false;
                }

                // One that ends is enough, unless it does not.
                var ending = _served.Where(each => each.Value.IsEnding).OrderBy(each => each.Value.EndingSince).FirstOrDefault();
                if (ending.Key is not null && EndPatience - Stopwatch.GetElapsedTime(ending.Value.EndingSince) is var left)
                {
                    if (left > TimeSpan.Zero)
                    {
                        Monitor.Wait(_gate, left);
                        continue;
                    }

                    if (_leftBehind < MaxLeftBehind)
                    {
                        _served.Remove(ending.Key);
                        _leftBehind++;
                        Log.LeftBehind(ending.Key.ListenerLog, EndPatience.TotalSeconds);
                        continue;
                    }
                }

                YieldOrWait();
            }

            return false;
        }
    }

    /// <summary>Ends all connections, and lets none begin.</summary>
    public void Stop()
    {
        lock (_gate)
        {
            _stopping = true;
            foreach (var connection in _all)
            {
                connection.Stop();
            }

            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Waits until no connection is served.</summary>
    public void WaitForEnds()
    {
        lock (_gate)
        {
            while (_served.Count > 0)
            {
                Monitor.Wait(_gate);
            }
        }
    }

    /// <summary>Complete when all instances of the connections that are there now have ended.</summary>
    public Task WhenInstancesEndedAsync()
    {
        lock (_gate)
        {
            return Task.WhenAll(_all.Select(connection => connection.InstancesEnded));
        }
    }

    /// <summary>Has one end, or waits until something has changed. Under the gate.</summary>
    private void YieldOrWait()
    {
        var longest = _served.Where(each => !each.Value.DriverRuns && !each.Value.IsEnding).OrderBy(each => each.Value.IdleSince).FirstOrDefault();
        var left = longest.Key is null ? Timeout.InfiniteTimeSpan : yieldAfter - Stopwatch.GetElapsedTime(longest.Value.IdleSince);
        if (longest.Key is not null && left <= TimeSpan.Zero)
        {
            Log.Yielded(longest.Key.ListenerLog, yieldAfter.TotalSeconds);
            End(longest.Key, longest.Value);
            return;
        }

        var look = longest.Key is null || left > LookInterval ? LookInterval : left;
        if (Monitor.Wait(_gate, look))
        {
            return;
        }

        // A connection's thread notices the end by itself, unless it is held.
        foreach (var (connection, place) in _served)
        {
            if (place.DriverRuns && !place.IsEnding && connection.HasEnded)
            {
                End(connection, place);
            }
        }
    }

    private static void End(VmConnection connection, Place place)
    {
        place.EndingSince = Stopwatch.GetTimestamp();
        connection.Stop();
    }

    /// <summary>What is known of a connection that is served.</summary>
    private sealed class Place
    {
        /// <summary>Since when no driver runs, if none does.</summary>
        public long IdleSince { get; set; } = Stopwatch.GetTimestamp();

        public bool DriverRuns { get; set; }

        /// <summary>When it was told to end; 0 if it was not.</summary>
        public long EndingSince { get; set; }

        public bool IsEnding => EndingSince != 0;
    }
}
