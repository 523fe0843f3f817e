// One daemon with the decoder for all tests of a class.
using System.Globalization;
using VirtioUser.Guest;
using VirtioUser.Vm;

namespace VirtioUser.Codec.Tests.Support;

/// <summary>A daemon that must still be well at the end, whatever the tests did to its decoder, and hold nothing any more.</summary>
public sealed class CodecDaemon : IAsyncLifetime
{
    private readonly List<string> _lines = [];
    private DaemonProcess? _daemon;

    /// <summary>A connection to the daemon: one for all tests of the class, which run one after the other.</summary>
    internal DeviceSource Source { get; private set; } = DeviceSource.Driver;

    /// <summary>For programs that connect themselves: one at a time, and not beside <see cref="Source"/>.</summary>
    internal string SocketPath => _daemon!.SocketPath;

    /// <summary>The memory that the daemon uses beside the guest's, in bytes.</summary>
    internal long OwnMemory
    {
        get
        {
            const string Line = "RssAnon:"; // in KiB
            var line = File.ReadLines($"/proc/{_daemon!.ProcessId}/status").First(line => line.StartsWith(Line, StringComparison.Ordinal));
            return long.Parse(line[Line.Length..].Trim().Split(' ')[0], CultureInfo.InvariantCulture) << 10;
        }
    }

    internal IReadOnlyList<string> Lines
    {
        get
        {
            lock (_lines)
            {
                return [.. _lines];
            }
        }
    }

    public async ValueTask InitializeAsync()
    {
        var library = await CodecBuild.GetAsync(await Sample.TreeAsync());
        _daemon = await DaemonProcess.StartAsync([library], ["--arena-size", "8G"], line =>
        {
            lock (_lines)
            {
                _lines.Add(line);
            }
        });
        Source = DeviceSource.Daemon(_daemon.SocketPath);
    }

    /// <summary>Waits until the daemon counts so many: callbacks about instances end after the guest was answered.</summary>
    internal async Task WaitForAsync(string metric, long count)
    {
        var left = Patience.Token();
        while (await _daemon!.ReadMetricAsync(metric, left) != count)
        {
            left.ThrowIfCancellationRequested();
        }
    }

    public async ValueTask DisposeAsync()
    {
        Source.Dispose();
        await WaitForAsync("virtio_user_instances", 0);
        await WaitForAsync("virtio_user_objects", 0);
        await WaitForAsync("virtio_user_memory_bytes", 0);
        var code = await _daemon!.StopAsync();
        Assert.True(code == 0, $"The daemon ended with {code}. It said:\n{_daemon.LogTail}");
        Assert.DoesNotContain(Lines, line => line.Contains("fault of the daemon", StringComparison.Ordinal));
        await _daemon.DisposeAsync();
    }
}
