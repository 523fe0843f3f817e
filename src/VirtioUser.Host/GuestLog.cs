// A bound on the log lines that a guest or a front-end can cause.
using System.Threading.RateLimiting;
using Microsoft.Extensions.Logging;

namespace VirtioUser.Host;

/// <summary>Lets a burst of lines through, then a few each second; says how many were left out.</summary>
public sealed class GuestLog : IDisposable
{
    private readonly TokenBucketRateLimiter _limiter = new(new TokenBucketRateLimiterOptions
    {
        TokenLimit = 20,
        TokensPerPeriod = 5,
        ReplenishmentPeriod = TimeSpan.FromSeconds(1),
        AutoReplenishment = true,
        QueueLimit = 0,
    });

    private readonly ILogger _logger;
    private long _leftOut;

    /// <summary>Puts a bound on a log.</summary>
    /// <param name="logger">The log.</param>
    public GuestLog(ILogger logger) => _logger = logger;

    /// <summary>Asks for a line. Any thread.</summary>
    /// <param name="logger">Where to write the line.</param>
    /// <returns>False if the line must be left out.</returns>
    public bool Allows(out ILogger logger)
    {
        logger = _logger;
        if (!MayWrite())
        {
            Interlocked.Increment(ref _leftOut);
            return false;
        }

        var leftOut = Interlocked.Exchange(ref _leftOut, 0);
        if (leftOut > 0)
        {
            Log.LinesLeftOut(_logger, leftOut);
        }

        return true;
    }

    /// <inheritdoc/>
    public void Dispose() => _limiter.Dispose();

    private bool MayWrite()
    {
        try
        {
            using var lease = _limiter.AttemptAcquire();
            return lease.IsAcquired;
        }
        catch (ObjectDisposedException)
        {
            return false; // a callback may return long after the host has ended
        }
    }
}
