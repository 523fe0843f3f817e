// Several config requests in flight: which waits for which.
using VirtioUser.Host.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Config;

public class InFlightTests
{
    private static readonly DeviceIdentity Slow = new(0x5655, 99, 1);

    /// <summary>Guards <c>ConfigPlan.Call</c>: of two that are there at once, nobody is kicked for the second.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_slow_open_holds_up_no_other_request(bool areThereAtOnce)
    {
        using var gate = new ManualResetEventSlim();
        using var host = NewHost(gate);
        using var driver = new FakeConfigQueues(host).Start();

        host.Model.Config.SetOpen(!areThereAtOnce);
        driver.Create(1, Slow);
        driver.Create(2);
        host.Model.Config.SetOpen(true);
        var opened = driver.Next();
        Assert.Equal((2u, ConfigError.None), (opened.Tag, opened.Error));
        driver.Allocate(3, opened.InstanceHandle);
        var allocated = driver.Next();
        Assert.Equal((3u, ConfigError.None), (allocated.Tag, allocated.Error));
        Assert.Equal(4u, driver.Ask(Request(ConfigOperation.FreeMemory, 4, opened.InstanceHandle, allocated.ShmId)).Tag);
        Assert.Equal(5u, driver.Ask(Request(ConfigOperation.DestroyInstance, 5, opened.InstanceHandle)).Tag);

        gate.Set();
        var slow = driver.Next();
        Assert.Equal((1u, ConfigError.None), (slow.Tag, slow.Error));
    }

    [Fact]
    public void A_slow_close_holds_up_only_what_is_about_its_instance()
    {
        using var gate = new ManualResetEventSlim();
        using var started = new ManualResetEventSlim();
        using var host = NewHost(gate, new HostOptions { DestroyTimeout = Patience.Limit }, (in _) =>
        {
            started.Set();
            gate.Wait();
            return 0;
        });
        using var driver = new FakeConfigQueues(host).Start();
        var (closed, other) = (host.Open(), host.Open());
        host.Ping(closed);
        Patience.Wait(started, "the ping");

        driver.Allocate(1, closed);
        driver.Send(Request(ConfigOperation.DestroyInstance, 2, closed));
        driver.Allocate(3, closed);
        driver.Send(Request(ConfigOperation.DestroyInstance, 4, closed));
        Assert.Equal(1u, driver.Next().Tag);
        for (var tag = 10u; tag < 40; tag++)
        {
            driver.Allocate(tag, other);
            Assert.Equal(tag, driver.Next().Tag);
        }

        gate.Set();
        Assert.Equal(
            [(2u, ConfigError.None), (3u, ConfigError.AllocationFailed), (4u, ConfigError.InstanceDestructionFailed)],
            Enumerable.Range(0, 3).Select(_ => driver.Next()).Select(reply => (reply.Tag, reply.Error)));
    }

    [Fact]
    public void Requests_of_each_instance_are_answered_in_order_whatever_the_others_do()
    {
        const uint Rounds = 500;
        using var host = new TestHost(new ScriptedDevice((in _) => 0));
        using var driver = new FakeConfigQueues(host).Start();
        var handles = Enumerable.Range(0, 4).Select(_ => host.Open()).ToList();
        var next = new uint[handles.Count];

        for (var round = 0u; round < Rounds; round++)
        {
            for (var i = 0; i < handles.Count; i++)
            {
                // Not held: an error, but in its turn.
                driver.Send(Request(ConfigOperation.FreeMemory, (round << 8) | (uint)i, handles[i], 1UL << 40));
            }
        }

        for (var i = 0u; i < Rounds * handles.Count; i++)
        {
            var tag = driver.Next().Tag;
            Assert.Equal(next[tag & 0xFF]++, tag >> 8);
        }
    }

    [Fact]
    public void No_more_than_64_requests_are_in_flight()
    {
        using var host = new TestHost(new ScriptedDevice((in _) => 0));
        using var driver = new FakeConfigQueues(host, buffers: 0).Start();
        for (var tag = 1u; tag <= 70; tag++)
        {
            driver.Send(Request(ConfigOperation.EnumerateDevices, tag));
        }

        WaitFor(() => host.Model.Config.InUse == (64, 0));
        Assert.Equal(6, driver.Waiting);
        driver.AddBuffers(1);
        Assert.Equal(1u, driver.Next().Tag);
        WaitFor(() => host.Model.Config.InUse == (64, 0));
        Assert.Equal(5, driver.Waiting);

        driver.AddBuffers(100);
        Assert.Equal(Enumerable.Range(2, 69).Select(tag => (ulong)tag), Enumerable.Range(0, 69).Select(_ => driver.Next().Tag));
        WaitFor(() => host.Model.Config.InUse == (0, 0));
    }

    [Fact]
    public void A_tag_in_flight_that_is_used_again_is_a_bad_request_and_is_free_after_its_reply()
    {
        using var gate = new ManualResetEventSlim();
        using var host = NewHost(gate);
        using var driver = new FakeConfigQueues(host).Start();

        driver.Create(5, Slow);
        for (var i = 0; i < 3; i++)
        {
            var refused = driver.Ask(Request(ConfigOperation.EnumerateDevices, 5));
            Assert.Equal((5u, ConfigError.BadRequest, "another request with the tag 5 is in flight"), (refused.Tag, refused.Error, refused.Reason.ToString()));
        }

        Assert.Equal(ConfigError.None, driver.Ask(Request(ConfigOperation.EnumerateDevices, 6)).Error);
        gate.Set();
        Assert.Equal((5u, ConfigError.None), (driver.Next() is var made ? made.Tag : 0, made.Error));
        Assert.Equal(ConfigError.None, driver.Ask(Request(ConfigOperation.EnumerateDevices, 5)).Error);
    }

    [Fact]
    public void A_driver_that_knows_no_tags_makes_one_exchange_after_the_other()
    {
        using var host = new TestHost(new ScriptedDevice((in _) => 0));
        using var driver = new FakeConfigQueues(host, buffers: 1).Start();
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal(ConfigError.None, driver.Ask(Request(ConfigOperation.EnumerateDevices, 0)).Error);
            driver.AddBuffers(1);
        }
    }

    [Fact]
    public void Opens_that_hang_are_bounded_and_leave_room_for_other_requests()
    {
        using var gate = new ManualResetEventSlim();
        using var host = NewHost(gate, new HostOptions { MaxCreations = 4, CreateTimeout = Patience.Limit });
        using var driver = new FakeConfigQueues(host).Start();
        var handle = host.Open();
        for (var tag = 1u; tag <= 20; tag++)
        {
            driver.Create(tag, Slow);
        }

        for (var i = 0; i < 16; i++)
        {
            var refused = driver.Next();
            Assert.Equal((ConfigError.InstanceCreationFailed, "4 attempts to make one have not come back"), (refused.Error, refused.Reason.ToString()));
        }

        driver.Allocate(99, handle);
        Assert.Equal((99u, ConfigError.None), (driver.Next() is var reply ? reply.Tag : 0, reply.Error));
        WaitFor(() => host.Model.Config.InUse == (4, 4));
        gate.Set();
        Assert.All(Enumerable.Range(0, 4).Select(_ => driver.Next()), made => Assert.Equal(ConfigError.None, made.Error));
    }

    [Fact]
    public void What_a_driver_asked_for_that_is_gone_reaches_no_other_driver()
    {
        using var gate = new ManualResetEventSlim();
        using var host = NewHost(gate);
        var former = new FakeConfigQueues(host).Start();
        for (var tag = 1u; tag <= 8; tag++)
        {
            former.Create(tag, Slow);
        }

        WaitFor(() => host.Model.Config.InUse == (8, 8));
        former.Detach();
        host.Model.Config.SetOpen(false);
        host.Model.Config.ForgetDriver();
        var ended = host.ReplaceDriver();
        host.Model.Config.WaitFor(ended);
        using var driver = new FakeConfigQueues(host).Start();

        // The same tags; nobody waits for the former driver's devices.
        for (var tag = 1u; tag <= 8; tag++)
        {
            Assert.Equal((tag, ConfigError.None), (driver.Ask(Request(ConfigOperation.EnumerateDevices, tag)) is var reply ? reply.Tag : 0, reply.Error));
        }

        gate.Set();
        WaitFor(() => host.Model.Config.InUse == (0, 0));
        host.WaitForUse(0, 0, 0, 0);
        Assert.Equal(99u, driver.Ask(Request(ConfigOperation.EnumerateDevices, 99)).Tag);
        former.Dispose();
    }

    [Fact]
    public void Nothing_is_taken_before_the_guest_sees_the_arena_nor_while_the_former_drivers_memory_is_given_back()
    {
        using var host = new TestHost(new ScriptedDevice((in _) => 0));
        using var driver = new FakeConfigQueues(host).Start();
        host.Model.Config.SetOpen(false);
        driver.Send(Request(ConfigOperation.EnumerateDevices, 1));
        host.WaitUntilQuiet();
        Assert.Equal(1, driver.Waiting);

        var old = new TaskCompletionSource();
        host.Model.Config.WaitFor(old.Task);
        host.Model.Config.SetOpen(true);
        WaitFor(() => host.Model.Config.InUse == (0, 1)); // it waits for the former driver
        Assert.Equal(1, driver.Waiting);

        old.SetResult();
        Assert.Equal(1u, driver.Next().Tag);
    }

    [Fact]
    public async Task The_end_waits_for_requests_that_run_and_for_no_others()
    {
        using var gate = new ManualResetEventSlim();
        using var host = NewHost(gate);
        using var driver = new FakeConfigQueues(host).Start();
        driver.Create(1, Slow);
        WaitFor(() => host.Model.Config.InUse == (1, 1));
        driver.Detach();
        driver.Send(Request(ConfigOperation.EnumerateDevices, 2));
        host.Model.Config.ForgetDriver();

        host.Model.Config.Stop();

        Assert.False(host.Model.Config.Ended.IsCompleted);
        gate.Set();
        await Patience.Await(host.Model.Config.Ended);
        Assert.Equal(1, driver.Waiting);
    }

    private static TestHost NewHost(ManualResetEventSlim gate, HostOptions? options = null, PingCallback? onPing = null)
    {
        var slow = new ScriptedDevice(_ =>
        {
            gate.Wait();
            return new ScriptedInstance((in _) => 0);
        })
        { Is = Slow };
        return new TestHost([slow, new ScriptedDevice(onPing ?? ((in _) => 0))], options ?? new HostOptions { CreateTimeout = Patience.Limit });
    }

    private static ConfigMessage Request(ConfigOperation operation, ulong tag, ulong handle = 0, ulong shmId = 0) =>
        new() { Operation = operation, Tag = tag, InstanceHandle = handle, ShmId = shmId };

    private static void WaitFor(Func<bool> condition) => Assert.True(SpinWait.SpinUntil(condition, Patience.Limit), "Waited in vain.");
}
