// Config operation 1.
using VirtioUser.Devices;
using VirtioUser.Host.Catalog;
using VirtioUser.Host.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Config;

public class CreateTests
{
    [Fact]
    public void Handles_are_never_0_and_never_used_again()
    {
        using var host = new TestHost(new ScriptedDevice((in _) => 0));
        var handles = new HashSet<ulong> { 0 };

        for (var i = 0; i < 100; i++)
        {
            var handle = host.Open();
            Assert.True(handles.Add(handle));
            if (i % 2 == 0)
            {
                host.Close(handle);
            }
        }
    }

    [Theory]
    [InlineData(0x5655u, 2u)]
    [InlineData(0x5656u, 1u)]
    [InlineData(1u, 0x5655u)]
    public void A_device_that_the_host_does_not_have_cannot_be_initialized(uint vendor, uint device)
    {
        using var host = new TestHost(new ScriptedDevice((in _) => 0));

        var reply = host.TryOpen(new DeviceIdentity(vendor, device, 1));

        Assert.Equal(ConfigError.DeviceInitializationFailed, reply.Error);
        Assert.Equal(0u, reply.InstanceHandle);
    }

    [Fact]
    public void A_version_that_the_device_does_not_list_is_refused_with_those_that_it_does()
    {
        using var host = new TestHost(new ScriptedDevice((in _) => 0) { Is = ScriptedDevice.Default with { Version = 7 }, Accepts = [3, 7, 5] });

        foreach (var version in new uint[] { 0, 1, 4, 6, 8, uint.MaxValue })
        {
            var reply = host.TryOpen(ScriptedDevice.Default with { Version = version });
            Assert.Equal((ConfigError.InstanceCreationFailed, 0u), (reply.Error, reply.InstanceHandle));
            Assert.Equal($"no version {version}, there are 3, 7, 5", reply.Reason.ToString());
        }

        Assert.Equal(0, host[Counter.InstancesCreated]);
    }

    [Theory]
    [InlineData(3u)]
    [InlineData(7u)]
    [InlineData(5u)]
    public void The_reply_and_the_instance_have_the_version_that_was_asked_for(uint version)
    {
        DeviceIdentity? seen = null;
        using var host = new TestHost(new ScriptedDevice(context =>
        {
            seen = context.Identity;
            return new ScriptedInstance((in _) => 0);
        })
        { Is = ScriptedDevice.Default with { Version = 7 }, Accepts = [3, 7, 5] });

        var reply = host.TryOpen(ScriptedDevice.Default with { Version = version });

        Assert.Equal((ConfigError.None, ScriptedDevice.Default with { Version = version }), (reply.Error, reply.FirstDevice));
        Assert.Equal(reply.FirstDevice, seen);
    }

    [Theory]
    [InlineData]
    [InlineData(2u)]
    [InlineData(1u, 2u, 2u)]
    public void A_device_whose_versions_make_no_sense_is_not_loaded(params uint[] versions)
    {
        var thrown = Assert.Throws<DeviceLoadException>(() => new TestHost(new ScriptedDevice((in _) => 0) { Accepts = versions }));

        Assert.Contains("ScriptedDevice in test lists the versions", thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_device_that_throws_refuses_one_instance_and_nothing_else()
    {
        var fails = true;
        using var host = new TestHost(new ScriptedDevice(_ => fails ? throw new FormatException("not today") : new ScriptedInstance((in _) => 0)));

        var refused = host.TryOpen(ScriptedDevice.Default);
        Assert.Equal((ConfigError.InstanceCreationFailed, "not today"), (refused.Error, refused.Reason.ToString()));
        fails = false;
        host.Close(host.Open());

        Assert.Contains(host.Log.Lines, line => line.Contains("not today", StringComparison.Ordinal));
        Assert.Equal(host[Counter.InstancesCreated], host[Counter.InstancesEnded]);
        host.WaitForUse(0, 0, 0, 0);
    }

    [Fact]
    public void A_long_message_of_a_device_fills_neither_the_log_nor_the_reply()
    {
        using var host = new TestHost(new ScriptedDevice(_ => throw new FormatException(new string('x', 100_000) + "\n")));

        Assert.Equal(new string('x', 72), host.TryOpen(ScriptedDevice.Default).Reason.ToString());

        Assert.All(host.Log.Lines, line => Assert.True(line.Length < 2000 && !line.Contains('\n', StringComparison.Ordinal), $"{line.Length} characters"));
    }

    [Fact]
    public void A_device_that_makes_null_refuses_the_instance()
    {
        using var host = new TestHost(new ScriptedDevice(_ => null));

        Assert.Equal(ConfigError.InstanceCreationFailed, host.TryOpen(ScriptedDevice.Default).Error);
        host.WaitForUse(0, 0, 0, 0);
    }

    [Fact]
    public void An_instance_that_comes_too_late_is_disposed_of_and_others_are_made_meanwhile()
    {
        using var finish = new ManualResetEventSlim();
        using var disposed = new ManualResetEventSlim();
        var slow = new ScriptedDevice(_ =>
        {
            finish.Wait();
            return new ScriptedInstance((in _) => 0, disposed.Set);
        })
        { Is = new(1, 1, 1) };
        using var host = new TestHost([slow, new ScriptedDevice((in _) => 7)], new HostOptions { CreateTimeout = TimeSpan.FromMilliseconds(20) });

        var reply = host.TryOpen(slow.Identity);
        Assert.Equal(ConfigError.InstanceCreationFailed, reply.Error);
        Assert.Equal(0u, reply.InstanceHandle);

        var handle = Retry(() => host.TryOpen(ScriptedDevice.Default).InstanceHandle);
        finish.Set();
        Patience.Wait(disposed, "the late instance's end");
        host.Ping(handle, events: 1);
        Assert.Equal([7u], host.Events.WaitFor(handle, 1));
    }

    [Fact]
    public void An_instance_that_came_too_late_never_reaches_the_guest_with_events()
    {
        InstanceContext? context = null;
        using var finish = new ManualResetEventSlim();
        using var disposed = new ManualResetEventSlim();
        using var host = new TestHost(
            new ScriptedDevice(its =>
            {
                finish.Wait();
                context = its;
                return new ScriptedInstance((in _) => 0, disposed.Set);
            }),
            new HostOptions { CreateTimeout = TimeSpan.FromMilliseconds(1) });

        host.TryOpen(ScriptedDevice.Default);
        finish.Set();
        Patience.Wait(disposed, "the late instance's end");

        Assert.False(context!.TrySendEvent(1));
        Assert.Empty(host.Events.Seen);
    }

    [Fact]
    public void As_many_instances_as_the_bound_allows_and_no_more()
    {
        using var host = new TestHost(new ScriptedDevice((in _) => 0), new HostOptions { MaxInstances = 3 });
        var handles = Enumerable.Range(0, 3).Select(_ => host.Open()).ToList();

        Assert.Equal(ConfigError.InstanceCreationFailed, host.TryOpen(ScriptedDevice.Default).Error);
        host.Close(handles[1]);

        host.Open();
        Assert.Equal(ConfigError.InstanceCreationFailed, host.TryOpen(ScriptedDevice.Default).Error);
    }

    // A creation bounded by 20 ms may fail on a busy machine; then it is asked for again, as a guest would.
    private static ulong Retry(Func<ulong> open)
    {
        for (var attempt = 0; attempt < 1000; attempt++)
        {
            if (open() is not 0 and var handle)
            {
                return handle;
            }
        }

        throw new TimeoutException("No instance was made.");
    }
}
