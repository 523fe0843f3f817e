// Logs whose lines name the connection that they belong to.
using Microsoft.Extensions.Logging;

namespace VirtioUser.Daemon;

/// <summary>
/// Puts each line into the scope of a connection, whichever thread writes it: the threads of a connection, those of callbacks and
/// timers, and threads that connections share.
/// </summary>
/// <param name="inner">Makes the logs; stays the caller's.</param>
/// <param name="scope">The connection.</param>
internal sealed class SessionLoggers(ILoggerFactory inner, SessionIdentity scope) : ILoggerFactory
{
    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new SessionLogger(inner.CreateLogger(categoryName), scope);

    /// <inheritdoc/>
    public void AddProvider(ILoggerProvider provider) => inner.AddProvider(provider);

    /// <inheritdoc/>
    public void Dispose()
    {
        // Nothing is this object's own.
    }

    private sealed class SessionLogger(ILogger inner, SessionIdentity scope) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => inner.BeginScope(state);

        public bool IsEnabled(LogLevel logLevel) => inner.IsEnabled(logLevel);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (inner.IsEnabled(logLevel))
            {
                using (inner.BeginScope(scope))
                {
                    inner.Log(logLevel, eventId, state, exception, formatter);
                }
            }
        }
    }
}
