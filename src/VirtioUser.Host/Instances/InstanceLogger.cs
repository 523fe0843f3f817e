// A log whose lines name the instance that they come from.
using System.Collections;
using Microsoft.Extensions.Logging;

namespace VirtioUser.Host.Instances;

/// <summary>
/// Each line is in a scope that names the instance, with the property <c>InstanceHandle</c>. The category stays the device's, so
/// categories stay few, and the line stays as the device wrote it.
/// </summary>
internal sealed class InstanceLogger(ILogger inner, ulong handle) : ILogger
{
    private readonly InstanceScope _scope = new(handle);

    /// <inheritdoc/>
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => inner.BeginScope(state);

    /// <inheritdoc/>
    public bool IsEnabled(LogLevel logLevel) => inner.IsEnabled(logLevel);

    /// <inheritdoc/>
    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (inner.IsEnabled(logLevel))
        {
            using (inner.BeginScope(_scope))
            {
                inner.Log(logLevel, eventId, state, exception, formatter);
            }
        }
    }

    /// <summary>One property, and its text for logs that are read by people.</summary>
    private sealed class InstanceScope(ulong handle) : IReadOnlyList<KeyValuePair<string, object?>>
    {
        private readonly KeyValuePair<string, object?>[] _properties = [new("InstanceHandle", handle)];
        private readonly string _text = $"Instance {handle}";

        public int Count => _properties.Length;

        public KeyValuePair<string, object?> this[int index] => _properties[index];

        public IEnumerator<KeyValuePair<string, object?>> GetEnumerator() => _properties.AsEnumerable().GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

        public override string ToString() => _text;
    }
}
