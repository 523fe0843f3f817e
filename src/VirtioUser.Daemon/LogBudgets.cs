// Budgets of log lines: one for each connection, and one for what is outside of all.
using System.Threading.RateLimiting;
using Microsoft.Extensions.Logging;
using VirtioUser.Host;

namespace VirtioUser.Daemon;

/// <summary>
/// Gives each connection a budget of its own, so that one that fills the log silences no other. A peer that connects again and
/// again would have any number of those: above a rate, connections share the listener's. Any thread.
/// </summary>
internal sealed class LogBudgets : IDisposable
{
    private readonly bool _unlimited;
    private readonly ILogger _logger;
    private readonly TokenBucketRateLimiter _fresh = new(new TokenBucketRateLimiterOptions
    {
        TokenLimit = 20,
        TokensPerPeriod = 1,
        ReplenishmentPeriod = TimeSpan.FromSeconds(1),
        AutoReplenishment = false,
        QueueLimit = 0,
    });

    /// <summary>Makes the listener's budget.</summary>
    /// <param name="options">Who tries his own program sees everything.</param>
    /// <param name="loggers">Logs.</param>
    public LogBudgets(DaemonOptions options, ILoggerFactory loggers)
    {
        (_unlimited, _logger) = (options.Program is not null, loggers.CreateLogger<DeviceModel>());
        Listener = new GuestLog(loggers.CreateLogger<BackEndService>(), _unlimited);
    }

    /// <summary>For lines about connections that come and go, and those that belong to none.</summary>
    public GuestLog Listener { get; }

    /// <summary>The budget for a new connection.</summary>
    /// <returns><see cref="Listener"/>, or one that the caller owns.</returns>
    public GuestLog Begin()
    {
        lock (_fresh)
        {
            _fresh.TryReplenish();
            using var lease = _fresh.AttemptAcquire();
            return lease.IsAcquired || _unlimited ? new GuestLog(_logger, _unlimited) : Listener;
        }
    }

    /// <summary>Ends a budget that <see cref="Begin"/> gave.</summary>
    public void End(GuestLog budget)
    {
        if (budget != Listener)
        {
            budget.Dispose();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Listener.Dispose();
        _fresh.Dispose();
    }
}
