// Budgets of log lines: one for each connection of a listener, and one for what is outside of all.
using System.Threading.RateLimiting;
using Microsoft.Extensions.Logging;
using VirtioUser.Host;

namespace VirtioUser.Daemon;

/// <summary>
/// Gives each connection of a listener a budget of its own, so that one that fills the log silences no other. A peer that connects
/// again and again would have any number of new ones: above a rate, a connection gets the listener's, or, if another one has that, what a
/// former connection has left. So there are, in all, no more than the rate allows and as many as connections at a time. Any thread.
/// </summary>
internal sealed class LogBudgets : IDisposable
{
    private readonly bool _unlimited;
    private readonly ILogger _logger;
    private readonly Lock _lock = new();
    private readonly TokenBucketRateLimiter _fresh = new(new TokenBucketRateLimiterOptions
    {
        TokenLimit = 20,
        TokensPerPeriod = 1,
        ReplenishmentPeriod = TimeSpan.FromSeconds(1),
        AutoReplenishment = false,
        QueueLimit = 0,
    });

    // Both under the lock: those that are given again, the last one first, and of these the ones that a connection has.
    private readonly Stack<GuestLog> _used = [];
    private readonly HashSet<GuestLog> _lent = [];

    /// <summary>Makes the listener's budget.</summary>
    /// <param name="loggers">Logs.</param>
    /// <param name="unlimited">Who tries his own program sees everything.</param>
    public LogBudgets(ILoggerFactory loggers, bool unlimited)
    {
        (_unlimited, _logger) = (unlimited, loggers.CreateLogger<DeviceModel>());
        Listener = new GuestLog(loggers.CreateLogger<BackEndService>(), unlimited);
        _used.Push(Listener);
    }

    /// <summary>For lines about connections that come and go, and those that belong to none.</summary>
    public GuestLog Listener { get; }

    /// <summary>The budget for a new connection.</summary>
    /// <param name="loggers">The connection's logs.</param>
    /// <returns>To be given back by <see cref="End"/>.</returns>
    public GuestLog Begin(ILoggerFactory loggers)
    {
        lock (_lock)
        {
            _fresh.TryReplenish();
            using var lease = _fresh.AttemptAcquire();
            if (lease.IsAcquired || _unlimited)
            {
                return new GuestLog(loggers.CreateLogger<DeviceModel>(), _unlimited);
            }

            if (!_used.TryPop(out var budget))
            {
                budget = new GuestLog(_logger);
            }

            _lent.Add(budget);
            return budget;
        }
    }

    /// <summary>Ends a budget that <see cref="Begin"/> gave. Once.</summary>
    public void End(GuestLog budget)
    {
        lock (_lock)
        {
            if (_lent.Remove(budget))
            {
                _used.Push(budget);
                return;
            }
        }

        budget.Dispose();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            foreach (var budget in _used.Concat(_lent))
            {
                budget.Dispose();
            }
        }

        _fresh.Dispose();
    }
}
