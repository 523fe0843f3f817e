// Decoders whose threads take their time to end.
using System.Collections.Concurrent;
using VirtioUser.Codec.Tests.Support;
using VirtioUser.Guest;
using VirtioUser.Vm;

namespace VirtioUser.Codec.Tests;

public sealed class EndTests
{
    private const int Decoders = 16;

    // Up to four workers idle, and some are about to.
    private const int FewWorkers = 8;

    [Fact]
    public async Task Sixteen_decoders_that_end_keep_no_thread_of_the_daemon()
    {
        var lines = new ConcurrentQueue<string>();
        await using var daemon = await DaemonProcess.StartAsync(
            [await CodecBuild.GetAsync(await Sample.TreeAsync(), cancellationToken: TestContext.Current.CancellationToken)],
            ["--arena-size", "8G", "--log-level", "Debug"],
            lines.Enqueue,
            TestContext.Current.CancellationToken);
        var source = DeviceSource.Daemon(daemon.SocketPath);
        List<RawDecoder> decoders = [.. Enumerable.Range(0, Decoders).Select(_ => RawDecoder.Open(source))];

        using (await StoppedThreads.StopAsync(daemon.ProcessId, "codec", Decoders))
        {
            GC.KeepAlive(decoders);
            source.Dispose(); // the program is gone, with all its instances
            await WaitForAsync(() => Task.FromResult(lines.Count(line => line.Contains("ends when its device is done", StringComparison.Ordinal)) == Decoders));

            Assert.Equal(Decoders, await daemon.ReadMetricAsync("virtio_user_instances", Patience.Token()));
            Assert.InRange(StoppedThreads.Threads(daemon.ProcessId, "worker").Count(), 1, FewWorkers);
        }

        await WaitForAsync(async () => await daemon.ReadMetricAsync("virtio_user_instances", Patience.Token()) == 0);
        Assert.Equal(0, await daemon.StopAsync());
    }

    private static async Task WaitForAsync(Func<Task<bool>> isSo)
    {
        var patience = Patience.Token();
        while (!await isSo())
        {
            patience.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }
}
