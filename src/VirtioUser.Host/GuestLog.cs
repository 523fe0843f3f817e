// A bound on the log lines that a guest or a front-end can cause.
using System.Threading.RateLimiting;
using Microsoft.Extensions.Logging;
using VirtioUser.Host.Config;

namespace VirtioUser.Host;

/// <summary>
/// One budget of log lines for one connection: a burst, then a few each second. What is suppressed is counted, and the count
/// is logged a little later, whether or not anything else is logged. Lines of level <see cref="LogLevel.Debug"/> and below
/// are not limited. Any thread; after <see cref="Dispose"/> all lines but those are suppressed.
/// </summary>
public sealed class GuestLog : IDisposable
{
    /// <summary>Lines that are let through at once.</summary>
    public const int Burst = 20;

    /// <summary>Lines that are let through each second after that.</summary>
    public const int LinesPerSecond = 5;

    // At most so often is it said how many lines were suppressed.
    private static readonly TimeSpan ReportInterval = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly ILogger _logger;
    private readonly TokenBucketRateLimiter? _limiter;
    private long _suppressed;
    private Timer? _report;
    private bool _disposed;

    /// <summary>Makes a budget.</summary>
    /// <param name="logger">Where the count goes, and the lines of <see cref="Allows"/>.</param>
    /// <param name="unlimited">Whether there is no bound: for somebody who tries his own program.</param>
    public GuestLog(ILogger logger, bool unlimited = false)
    {
        _logger = new OneLineLogger(logger);
        if (!unlimited)
        {
            _limiter = new TokenBucketRateLimiter(new TokenBucketRateLimiterOptions
            {
                TokenLimit = Burst,
                TokensPerPeriod = LinesPerSecond,
                ReplenishmentPeriod = TimeSpan.FromSeconds(1),
                AutoReplenishment = false, // a timer for each connection would cost more than looking at the clock at each line
                QueueLimit = 0,
            });
        }
    }

    /// <summary>A log whose lines come out of this budget. An exception is one line, unless the level is Debug.</summary>
    /// <param name="logger">Where the lines go.</param>
    public ILogger For(ILogger logger) => new BudgetedLogger(this, new OneLineLogger(logger));

    /// <summary>Asks for a line.</summary>
    /// <param name="logger">Where to write the line.</param>
    /// <returns>False if the line must be left out.</returns>
    public bool Allows(out ILogger logger)
    {
        logger = _logger;
        return TryTake();
    }

    /// <summary>Asks for a line.</summary>
    /// <returns>False if the line must be left out; it is counted then.</returns>
    public bool TryTake()
    {
        if (_limiter is null)
        {
            return true;
        }

        lock (_lock)
        {
            if (_disposed)
            {
                return false; // a callback may return long after its connection has ended
            }

            _limiter.TryReplenish();
            using var lease = _limiter.AttemptAcquire();
            if (!lease.IsAcquired)
            {
                _suppressed++;
                _report ??= new Timer(_ => Report(), null, ReportInterval, Timeout.InfiniteTimeSpan);
            }

            return lease.IsAcquired;
        }
    }

    /// <summary>Says how many lines were suppressed last, and lets no more through.</summary>
    public void Dispose()
    {
        Report();
        lock (_lock)
        {
            _disposed = true;
            _report?.Dispose();
            _limiter?.Dispose();
        }
    }

    private void Report()
    {
        long suppressed;
        lock (_lock)
        {
            (suppressed, _suppressed) = (_suppressed, 0);
            _report?.Dispose();
            _report = null;
        }

        if (suppressed > 0)
        {
            Log.LinesSuppressed(_logger, suppressed);
        }
    }

    private sealed class BudgetedLogger(GuestLog budget, ILogger inner) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => inner.BeginScope(state);

        public bool IsEnabled(LogLevel logLevel) => inner.IsEnabled(logLevel);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (inner.IsEnabled(logLevel) && (logLevel <= LogLevel.Debug || budget.TryTake()))
            {
                inner.Log(logLevel, eventId, state, exception, formatter);
            }
        }
    }

    /// <summary>What a guest can cause with one request must not fill a page: the stack is for those who look for it.</summary>
    private sealed class OneLineLogger(ILogger inner) : ILogger
    {
        private const int MaxMessage = 1000;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => inner.BeginScope(state);

        public bool IsEnabled(LogLevel logLevel) => inner.IsEnabled(logLevel);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (exception is null || inner.IsEnabled(LogLevel.Debug))
            {
                inner.Log(logLevel, eventId, state, exception, formatter);
                return;
            }

            var message = Reasons.Of(exception).ReplaceLineEndings(" ");
            message = message.Length > MaxMessage ? message[..MaxMessage] + "..." : message;
            inner.Log(logLevel, eventId, state, null, (s, _) => $"{formatter(s, null)}: {exception.GetType()}: {message}");
        }
    }
}
