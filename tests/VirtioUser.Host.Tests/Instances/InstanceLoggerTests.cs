// How the lines of a device tell the instance.
using Microsoft.Extensions.Logging;
using VirtioUser.Host.Instances;

namespace VirtioUser.Host.Tests.Instances;

public class InstanceLoggerTests
{
    [Fact]
    public void A_line_stays_as_it_is_and_the_instance_is_a_property_of_its_scope()
    {
        var log = new ScopedLog();
        var logger = new InstanceLogger(log, 7);

        logger.Log(LogLevel.Warning, new EventId(3), new[] { KeyValuePair.Create<string, object?>("Count", 5) }, null, (_, _) => "5 came");
        logger.Log(LogLevel.Debug, default, 0, null, (_, _) => "not wanted");

        Assert.Equal("5 came", Assert.Single(log.Lines));
        var scope = Assert.IsAssignableFrom<IReadOnlyList<KeyValuePair<string, object?>>>(Assert.Single(log.Scopes));
        Assert.Equal(KeyValuePair.Create<string, object?>("InstanceHandle", 7ul), Assert.Single(scope));
        Assert.Equal("Instance 7", scope.ToString());
        Assert.Equal(0, log.Open);
    }

    private sealed class ScopedLog : ILogger, IDisposable
    {
        public List<string> Lines { get; } = [];

        public List<object> Scopes { get; } = [];

        public int Open { get; private set; }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
        {
            Scopes.Add(state);
            Open++;
            return this;
        }

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            Assert.Equal(1, Open);
            Lines.Add(formatter(state, exception));
        }

        public void Dispose() => Open--;
    }
}
