// The counters as System.Diagnostics.Metrics instruments, for any exporter.
using System.Diagnostics.Metrics;

namespace VirtioUser.Host;

/// <summary>
/// Publishes the sums of all counters, with a tag <see cref="ListenerTag"/> where they are those of a named listener. Reading costs the
/// ping path nothing.
/// </summary>
public sealed class HostMetrics : IDisposable
{
    /// <summary>The name of the meter.</summary>
    public const string MeterName = "VirtioUser.Host";

    /// <summary>The tag that names the listener.</summary>
    public const string ListenerTag = "listener";

    private readonly Meter _meter = new(MeterName);
    private readonly (HostTotals Totals, KeyValuePair<string, object?>[] Tags)[] _all;

    /// <summary>Makes the instruments.</summary>
    /// <param name="totals">What they show: each is one time series of every instrument.</param>
    public HostMetrics(params IReadOnlyCollection<HostTotals> totals)
    {
        ArgumentNullException.ThrowIfNull(totals);
        _all = [.. totals.Select(each => (each, each.Listener is { } name ? new[] { new KeyValuePair<string, object?>(ListenerTag, name) } : []))];
        Count(Counter.Connections, "connections", "Front-ends that connected");
        Count(Counter.InstancesCreated, "instances.created", "Instances made");
        Count(Counter.InstancesFailed, "instances.failed", "Instances ended by an exception");
        Count(Counter.ObjectsAllocated, "objects.allocated", "Shared-memory objects made");
        Count(Counter.ConfigRequests, "config.requests", "Config requests answered");
        Count(Counter.ConfigErrors, "config.errors", "Config requests answered with an error");
        Count(Counter.Pings, "pings", "Pings taken");
        Count(Counter.PingsRejected, "pings.rejected", "Pings that ran no callback");
        Count(Counter.PingsCancelled, "pings.cancelled", "Pings whose instance went away first");
        Count(Counter.PingsFailed, "pings.failed", "Pings that devices failed with a code");
        Count(Counter.PingBytes, "pings.bytes", "Bytes of shared memory that pings named", "By");
        Count(Counter.Events, "events", "Events sent");
        Count(Counter.EventsDropped, "events.dropped", "Own events dropped");
        Count(Counter.MessagesRejected, "messages.rejected", "Malformed messages");
        Count(Counter.QueueWaits, "queue.waits", "Times that pings had to wait");
        Count(Counter.Sleeps, "queue.sleeps", "Times that nothing was left to do for the ping queue");
        Count(Counter.PollHits, "queue.poll.hits", "Times that polling found a ping");
        Count(Counter.PollMisses, "queue.poll.misses", "Times that polling found none");
        Level(Counter.InstancesCreated, Counter.InstancesEnded, "instances", "Instances that live");
        Level(Counter.ObjectsAllocated, Counter.ObjectsFreed, "objects", "Shared-memory objects that live");
        Level(Counter.BytesAllocated, Counter.BytesFreed, "memory", "Bytes of shared memory in use", "By");

        void Count(Counter counter, string name, string description, string? unit = null) =>
            _meter.CreateObservableCounter("virtio_user." + name, () => Measure(each => each[counter]), unit, description);

        void Level(Counter up, Counter down, string name, string description, string? unit = null) =>
            _meter.CreateObservableUpDownCounter("virtio_user." + name, () => Measure(each => each[up] - each[down]), unit, description);
    }

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();

    private IEnumerable<Measurement<long>> Measure(Func<HostTotals, long> read) =>
        _all.Select(each => new Measurement<long>(read(each.Totals), each.Tags));
}
