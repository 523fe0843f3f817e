// What a device hears of its instance's end, and how long the end waits for it.
using VirtioUser.Devices;
using VirtioUser.Host.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Instances;

public class EndingTests
{
    private static readonly HostOptions PatientClose = new() { DestroyTimeout = Patience.Limit };
    private static readonly HostOptions ImpatientClose = new() { DestroyTimeout = TimeSpan.Zero };

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task A_callback_hears_that_its_instance_ends(bool blocks, bool driverGoes)
    {
        using var started = new SemaphoreSlim(0);
        using var host = new TestHost(
            new ScriptedDevice(context => new AsyncInstance(async (_, ending) =>
            {
                Assert.Equal(context.Ending, ending);
                started.Release();
                if (blocks)
                {
                    ending.WaitHandle.WaitOne(Patience.Limit);
                    ending.ThrowIfCancellationRequested();
                }

                await Task.Delay(Timeout.Infinite, ending);
                return 1;
            })),
            PatientClose);
        var (first, second) = (host.Open(), host.Open());
        host.Ping(first, events: 1);
        host.Ping(second, events: 1);
        Assert.True(await started.WaitAsync(Patience.Limit, TestContext.Current.CancellationToken));
        Assert.True(await started.WaitAsync(Patience.Limit, TestContext.Current.CancellationToken));

        if (driverGoes)
        {
            await Patience.Await(host.ReplaceDriver());
            Assert.Empty(host.Events.Seen);
        }
        else
        {
            host.Close(first);
            Assert.Equal([Revents.Interrupted], host.Events.WaitFor(first, 1)); // an interrupted ping is answered while the guest closes
            Assert.Empty(host.Events.Of(second));
            host.Close(second);
        }

        host.WaitForUse(0, 0, 0, 0);
        Assert.Equal(0, host[Counter.InstancesFailed]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_end_waits_for_a_device_that_ends_later_and_what_it_holds_is_valid_so_long(bool driverGoes)
    {
        var over = new TaskCompletionSource();
        HeldRange? held = null;
        using var host = new TestHost(
            new ScriptedDevice(context => new AsyncInstance(
                (ping, _) =>
                {
                    held = context.TryHold(in ping);
                    return new(1);
                },
                async () =>
                {
                    await over.Task;
                    held!.Bytes.Fill(7);
                })),
            ImpatientClose);
        var handle = host.Open();
        var made = host.Allocate(handle);
        host.Ping(handle, 1, events: 1, made.ShmId, size: 16);
        host.Events.WaitFor(handle, 1);

        var ended = Task.CompletedTask;
        if (driverGoes)
        {
            ended = host.ReplaceDriver();
        }
        else
        {
            host.Close(handle);
        }

        host.WaitUntilQuiet(); // it waits without a thread
        Assert.Equal(!driverGoes, ended.IsCompleted);
        Assert.Equal((1, 1), (host.Model.InUse.Instances, host.Model.InUse.Objects));
        held!.Bytes.Fill(6);
        Assert.Equal(6, host.Arena.GetSpan(made.ShmOffset, 1)[0]);

        over.SetResult();
        await Patience.Await(ended);
        host.WaitForUse(0, 0, 0, 0);
        Assert.Throws<ObjectDisposedException>(() => held.Bytes[0]);
        Assert.DoesNotContain(host.Log.Lines, line => line.Contains("Exception", StringComparison.Ordinal));
    }

    [Fact]
    public void A_device_is_disposed_of_when_its_code_has_returned_that_heard_of_the_end()
    {
        using var started = new ManualResetEventSlim();
        using var go = new ManualResetEventSlim();
        using var hears = new ManualResetEventSlim();
        using var heard = new ManualResetEventSlim();
        var isDisposed = false;
        using var host = new TestHost(
            new ScriptedDevice(context =>
            {
                context.Ending.Register(() =>
                {
                    hears.Set();
                    Patience.Wait(heard, "the end of what hears of the end");
                });
                return new ScriptedInstance(
                    (in _) =>
                    {
                        started.Set();
                        Patience.Wait(go, "the end of the callback");
                        return 1;
                    },
                    () => isDisposed = true);
            }),
            ImpatientClose);
        var handle = host.Open();
        host.Ping(handle, events: 1);
        Patience.Wait(started, "the callback");
        host.Close(handle); // a worker tells it, beside the callback
        Patience.Wait(hears, "what hears of the end");

        go.Set();
        host.WaitForPings();
        Assert.True(SpinWait.SpinUntil(() => host.Model.Workers == 0, Patience.Limit), "The end keeps a thread.");
        Assert.False(isDisposed);

        heard.Set();
        host.WaitForUse(0, 0, 0, 0);
        Assert.True(isDisposed);
    }

    [Fact]
    public async Task A_device_that_fails_and_ends_later_holds_up_only_its_own_pings()
    {
        var over = new TaskCompletionSource();
        using var host = new TestHost(new ScriptedDevice(_ => new AsyncInstance(
            (ping, _) => ping.Metadata == 0 ? new(1) : throw new FormatException(), () => new(over.Task))));
        var (bad, good) = (host.Open(), host.Open());
        host.Ping(bad, 1, events: 1);
        host.Ping(bad, 0, events: 1);
        Assert.Equal([Revents.Failed, Revents.NoticeInstanceEnded], host.Events.WaitFor(bad, 2));
        host.WaitUntilQuiet();
        host.Ping(good, 0, events: 1);
        host.Events.WaitFor(good, 1);
        Assert.Equal(2, host.Events.Of(bad).Count);

        over.SetException(new FormatException());
        Assert.Equal([Revents.Failed, Revents.NoticeInstanceEnded, Revents.Refused], host.Events.WaitFor(bad, 3));
        await Patience.Await(host.ReplaceDriver());
        host.WaitForUse(0, 0, 0, 0);
    }

    [Fact]
    public void A_device_whose_code_throws_when_it_hears_of_the_end_ends_all_the_same()
    {
        using var host = new TestHost(
            new ScriptedDevice(context =>
            {
                context.Ending.Register(() => throw new FormatException("not now"));
                return new ScriptedInstance((in _) => 1);
            }),
            PatientClose);
        host.Close(host.Open());
        host.WaitForUse(0, 0, 0, 0);
        host.WaitForLine("not now");
    }
}
