// A daemon that does not serve another connection is a result and no failure.
using VirtioUser.Benchmarks.Measuring;
using VirtioUser.Benchmarks.Processes;
using VirtioUser.Benchmarks.Reporting;
using VirtioUser.Vm;

namespace Benchmarks.Tests;

public sealed class NotServedTests
{
    [Fact]
    public async Task A_connection_that_nobody_takes_is_told_from_other_failures_and_says_why()
    {
        await using var server = await ServerProcess.StartAsync(BuildOutput.PathOf("Hello", "VirtioUser.Benchmarks.Hello"), _ => []);
        var failure = await Assert.ThrowsAsync<NotServedException>(() => Client.ConnectAsync(server));
        Assert.StartsWith("Not served at once: ", LeftOut.Because("many connections", failure).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_is_served_and_the_daemons_threads_are_counted()
    {
        await using var daemon = await ServerProcess.StartDaemonAsync(TimeSpan.Zero, "EchoDevice");
        await using var client = await Client.ConnectAsync(daemon);
        var before = SleepCounts.Of(daemon.Id);
        for (var i = 0; i < 1000; i++)
        {
            client.Ping();
        }

        Assert.True(daemon.Threads() > 1);
        Assert.True(SleepCounts.Of(daemon.Id).Since(before) > 0, "A daemon that does not poll slept between 1000 pings, and none was counted.");
    }
}
