// One instrument of a meter as a metric of Prometheus.
using System.Diagnostics.Metrics;
using System.Globalization;
using Prometheus;

namespace VirtioUser.Daemon.Metrics;

/// <summary>Made of the first measurement, since only that shows the tags: they become labels, the same for each measurement. Any thread.</summary>
/// <param name="factory">Makes the metric.</param>
/// <param name="instrument">What is measured.</param>
/// <param name="name">The name of the metric, without the ending of a counter.</param>
internal sealed class ShownInstrument(IMetricFactory factory, Instrument instrument, string name)
{
    private Collector? _metric;

    /// <summary>A measurement.</summary>
    public void Set(long value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var names = new string[tags.Length];
        var values = new string[tags.Length];
        for (var i = 0; i < tags.Length; i++)
        {
            (names[i], values[i]) = (tags[i].Key, Convert.ToString(tags[i].Value, CultureInfo.InvariantCulture) ?? "");
        }

        // The factory has only one of a name, whoever asks for it first.
        var help = instrument.Description ?? "";
        _metric ??= instrument is ObservableCounter<long>
            ? factory.CreateCounter(name + "_total", help, names)
            : factory.CreateGauge(name, help, names);
        if (_metric is Counter counter)
        {
            counter.WithLabels(values).IncTo(value);
        }
        else
        {
            ((Gauge)_metric).WithLabels(values).Set(value);
        }
    }
}
