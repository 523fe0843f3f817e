// Pings whose callback ends later than it returns.
using System.Collections.Concurrent;
using VirtioUser.Devices;
using VirtioUser.Host.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Pings;

public sealed class AsyncPingTests : IDisposable
{
    private readonly ConcurrentDictionary<ulong, TaskCompletionSource<uint>> _answers = new(); // by metadata
    private readonly ConcurrentQueue<ulong> _begun = new();
    private readonly SemaphoreSlim _began = new(0);

    public void Dispose() => _began.Dispose();

    [Fact]
    public void The_answer_comes_when_the_task_is_complete_and_the_next_ping_waits_for_it()
    {
        using var host = new TestHost(Device());
        var (slow, other) = (host.Open(), host.Open());

        host.Ping(slow, 1, events: 1);
        host.Ping(slow, 2, events: 1);
        host.Ping(other, 3, events: 1);
        WaitForBegun(2);
        Answer(3, 33);
        Assert.Equal([33u], host.Events.WaitFor(other, 1));
        host.WaitUntilQuiet(); // no thread waits, and nothing else begins
        Assert.Equal([1ul, 3ul], _begun.Order());
        Assert.Empty(host.Events.Of(slow));

        Answer(1, uint.MaxValue); // only the device's bits count
        WaitForBegun(1);
        Answer(2, 22);
        Assert.Equal([Revents.DeviceMask, 22u], host.Events.WaitFor(slow, 2));
        host.WaitForPings();
    }

    [Fact]
    public void A_hundred_pending_pings_of_a_hundred_instances_keep_no_thread()
    {
        using var host = new TestHost(Device());
        var handles = Enumerable.Range(0, 100).Select(_ => host.Open()).ToList();
        foreach (var handle in handles)
        {
            host.Ping(handle, handle, events: 1);
        }

        WaitForBegun(100);
        host.WaitUntilQuiet(); // not one thread works
        Assert.Equal(100, host.Model.InUse.Pings);
        handles.Reverse();
        handles.ForEach(handle => Answer(handle, (uint)handle));
        Assert.All(handles, handle => Assert.Equal([(uint)handle], host.Events.WaitFor(handle, 1)));
        host.WaitForPings();
    }

    [Fact]
    public void A_task_may_be_complete_before_the_callback_returns_and_be_completed_by_any_thread()
    {
        using var host = new TestHost(new ScriptedDevice(_ => new AsyncInstance(async (ping, _) =>
        {
            switch (ping.Metadata % 4)
            {
                case 0:
                    break;
                case 1:
                    await Task.Yield();
                    break;
                case 2:
                    await Task.Run(() => { }, CancellationToken.None);
                    break;
                default:
                    var source = new TaskCompletionSource();
                    new Thread(source.SetResult).Start();
                    await source.Task;
                    break;
            }

            return (uint)ping.Metadata;
        })));
        var handles = new[] { host.Open(), host.Open(), host.Open() };
        for (uint i = 0; i < 200; i++)
        {
            Array.ForEach(handles, handle => host.Ping(handle, i, events: 1));
        }

        Assert.All(handles, handle => Assert.Equal(Enumerable.Range(0, 200).Select(i => (uint)i), host.Events.WaitFor(handle, 200)));
        host.WaitForPings();
    }

    [Fact]
    public void A_task_is_not_completed_where_a_device_wants_its_own_code_to_go_on()
    {
        // A callback that leaves a context behind, which nobody serves, on a thread of all devices.
        using var host = new TestHost(new ScriptedDevice(_ => new AsyncInstance((ping, _) =>
        {
            SynchronizationContext.SetSynchronizationContext(new DeadContext());
            return Begin(ping);
        })));
        var handle = host.Open();
        host.Ping(handle, 1, events: 1);
        WaitForBegun(1);
        host.WaitUntilQuiet();
        Answer(1, 5);
        Assert.Equal([5u], host.Events.WaitFor(handle, 1));
    }

    [Fact]
    public void Bytes_are_the_objects_until_the_task_ends_whatever_the_guest_frees()
    {
        var arena = new HeapArena(2 * 4096);
        AsyncPing kept = default;
        using var host = new TestHost(
            new ScriptedDevice(_ => new AsyncInstance((ping, _) =>
            {
                kept = ping;
                return Begin(ping);
            })),
            arena: arena);
        var handle = host.Open();
        var made = host.Allocate(handle, 4096);
        host.Ping(handle, 1, events: 1, made.ShmId, offset: 8, size: 16);
        WaitForBegun(1);

        host.Config(ConfigOperation.FreeMemory, handle, made.ShmId);
        var other = host.Allocate(handle, 4096);
        Assert.NotEqual(made.ShmOffset, other.ShmOffset);
        Assert.Equal(ConfigError.AllocationFailed, host.Config(ConfigOperation.AllocateMemory, handle, size: 1).Error);
        kept.Bytes.Fill(7);
        Assert.Equal(-1, arena.GetSpan(other.ShmOffset, 4096).IndexOfAnyExcept((byte)0));

        Answer(1, 5);
        host.Events.WaitFor(handle, 1); // the bytes are let go before the guest hears of it
        var again = host.Allocate(handle, 4096);
        Assert.Equal(made.ShmOffset, again.ShmOffset);
        Assert.Equal(-1, arena.GetSpan(again.ShmOffset, 4096).IndexOfAnyExcept((byte)0));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void A_ping_exception_fails_that_ping_with_its_code_and_nothing_else(int how)
    {
        using var host = new TestHost(new ScriptedDevice(context => how == 0
            ? new ScriptedInstance((in ping) => ping.Metadata == 0 ? 4u : throw new PingException((int)ping.Metadata, "no"))
            : new AsyncInstance(async (ping, _) =>
            {
                if (how == 2)
                {
                    await Task.Yield();
                }

                return ping.Metadata == 0 ? 4u : throw new PingException((int)ping.Metadata, "no");
            })));
        var handle = host.Open();
        var made = host.Allocate(handle);
        host.Ping(handle, 7, events: 1, made.ShmId, size: 8);
        host.Ping(handle, PingException.MaxCode, events: 0);
        host.Ping(handle, PingException.MaxCode, events: 1);
        host.Ping(handle, 0, events: 1);
        Assert.Equal([Revents.Failed | (7 << 8), Revents.Failed | Revents.DeviceMask & ~0xFFu, 4u], host.Events.WaitFor(handle, 3));
        Assert.Equal((0, 3), (host[Counter.InstancesFailed], host[Counter.PingsFailed]));
        host.Config(ConfigOperation.FreeMemory, handle, made.ShmId);
        host.WaitForUse(1, 0, 0, 0);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Any_other_exception_ends_the_instance(bool cancelled)
    {
        using var host = new TestHost(Device());
        var (bad, good) = (host.Open(), host.Open());
        host.Ping(bad, 1, events: 1);
        host.Ping(bad, 2, events: 1);
        WaitForBegun(1);
        Exception exception = cancelled ? new OperationCanceledException("not asked for") : new FormatException();
        _answers[1].SetException(exception);
        Assert.Equal([Revents.Failed, Revents.NoticeInstanceEnded, Revents.Refused], host.Events.WaitFor(bad, 3));
        host.Ping(good, 3, events: 1);
        WaitForBegun(1);
        Answer(3, 6);
        Assert.Equal([6u], host.Events.WaitFor(good, 1));
        host.Close(bad);
        Assert.DoesNotContain(2ul, _begun);
    }

    [Fact]
    public void A_device_that_overrides_neither_callback_fails_with_a_message_that_says_so()
    {
        using var host = new TestHost(new ScriptedDevice(_ => new SilentInstance()));
        var handle = host.Open();
        host.Ping(handle, events: 1);
        Assert.Equal([Revents.Failed, Revents.NoticeInstanceEnded], host.Events.WaitFor(handle, 2));
        host.WaitForLine("overrides neither OnPing nor OnPingAsync");
    }

    private ScriptedDevice Device() => new(_ => new AsyncInstance((ping, _) => Begin(ping)));

    private ValueTask<uint> Begin(AsyncPing ping)
    {
        var source = _answers.GetOrAdd(ping.Metadata, _ => new TaskCompletionSource<uint>());
        _begun.Enqueue(ping.Metadata);
        _began.Release();
        return new ValueTask<uint>(source.Task);
    }

    private void WaitForBegun(int count)
    {
        for (var i = 0; i < count; i++)
        {
            Assert.True(_began.Wait(Patience.Limit), "A callback did not begin.");
        }
    }

    private void Answer(ulong metadata, uint revents) => _answers[metadata].SetResult(revents);

    private sealed class SilentInstance : DeviceInstance;

    private sealed class DeadContext : SynchronizationContext
    {
        public override void Post(SendOrPostCallback d, object? state)
        {
        }
    }
}
