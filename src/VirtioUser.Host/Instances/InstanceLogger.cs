// A log whose lines name the instance that they come from.
using Microsoft.Extensions.Logging;

namespace VirtioUser.Host.Instances;

/// <summary>Puts the instance before each line; the category stays the device's, so categories stay few.</summary>
internal sealed class InstanceLogger(ILogger inner, ulong handle) : ILogger
{
    /// <inheritdoc/>
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => inner.BeginScope(state);

    /// <inheritdoc/>
    public bool IsEnabled(LogLevel logLevel) => inner.IsEnabled(logLevel);

    /// <inheritdoc/>
    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        inner.Log(logLevel, eventId, state, exception, (s, e) => $"Instance {handle}: {formatter(s, e)}");
}
