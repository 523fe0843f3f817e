// Config operation 10.
using VirtioUser.Devices;
using VirtioUser.Host.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Config;

public class ExplainTests
{
    [Fact]
    public void An_instance_in_which_nothing_failed_has_nothing_to_explain()
    {
        using var host = new TestHost(new ScriptedDevice((in _) => 0));
        var handle = host.Open();
        host.Ping(handle, events: 1);
        host.Events.WaitFor(handle, 1);

        Assert.Equal((ConfigError.None, ""), Explain(host, handle));
    }

    [Fact]
    public void It_tells_of_the_last_ping_that_failed_whoever_failed_it()
    {
        using var host = new TestHost(new ScriptedDevice((in ping) => ping.Metadata == 0 ? 1u : throw new PingException(5, $"no sector {ping.Metadata}")));
        var (handle, other) = (host.Open(), host.Open());

        host.Ping(handle, 7, events: 1);
        Assert.Equal([Revents.FailedWith(5)], host.Events.WaitFor(handle, 1));
        Assert.Equal((ConfigError.None, "no sector 7"), Explain(host, handle));

        host.Ping(handle, 0, events: 1);
        host.Ping(handle, 0, events: 1, shmId: 99, size: 1);
        Assert.Equal([Revents.FailedWith(5), 1u, Revents.Refused], host.Events.WaitFor(handle, 3));
        Assert.Equal((ConfigError.None, "the instance holds no such object"), Explain(host, handle));

        host.Ping(handle, 0, events: 1, shmId: host.Allocate(handle).ShmId, size: 4097);
        host.Events.WaitFor(handle, 4);
        Assert.Equal((ConfigError.None, "the bytes are not inside the object"), Explain(host, handle));
        Assert.Equal((ConfigError.None, ""), Explain(host, other));
    }

    [Fact]
    public void It_tells_why_an_instance_has_ended_until_the_driver_closes_it()
    {
        using var host = new TestHost(new ScriptedDevice((in _) => throw new FormatException("no such\npicture")));
        var handle = host.Open();
        host.Ping(handle, events: 1);
        Assert.Equal([Revents.Failed, Revents.NoticeInstanceEnded], host.Events.WaitFor(handle, 2));
        host.Ping(handle, events: 1);
        Assert.Equal(Revents.Refused, host.Events.WaitFor(handle, 3)[2]);

        Assert.Equal((ConfigError.None, "no suchpicture"), Explain(host, handle));
        host.Close(handle);
        Assert.Equal((ConfigError.InstanceDestructionFailed, $"there is no instance {handle}"), Explain(host, handle));
    }

    [Fact]
    public void A_message_that_cannot_be_read_is_replaced_by_its_type()
    {
        using var host = new TestHost(new ScriptedDevice(_ => throw new Unspeakable()));

        Assert.Equal("Unspeakable", host.TryOpen(ScriptedDevice.Default).Reason.ToString());
    }

    [Fact]
    public void A_host_that_gives_no_reasons_explains_nothing()
    {
        using var host = new TestHost(new ScriptedDevice((in _) => throw new PingException(1, "secret")), new HostOptions { GivesReasons = false });
        var handle = host.Open();
        host.Ping(handle, events: 1);
        host.Events.WaitFor(handle, 1);

        Assert.Equal((ConfigError.None, ""), Explain(host, handle));
    }

    [Fact]
    public void Pings_that_were_interrupted_and_asked_for_no_answer_are_told_in_a_notice()
    {
        using var started = new ManualResetEventSlim();
        using var host = new TestHost(
            new ScriptedDevice(context => new ScriptedInstance((in _) =>
            {
                started.Set();
                context.Ending.WaitHandle.WaitOne();
                throw new OperationCanceledException();
            })),
            new HostOptions { DestroyTimeout = Patience.Limit });
        var handle = host.Open();
        host.Ping(handle, events: 0);
        Patience.Wait(started, "the ping");
        host.Ping(handle, events: 1);

        host.Close(handle);

        Assert.Equal([Revents.Interrupted, Revents.NoticePingsInterrupted | (1u << 8)], host.Events.WaitFor(handle, 2));
    }

    private static (ConfigError Error, string Reason) Explain(TestHost host, ulong handle)
    {
        var reply = host.Config(ConfigOperation.Explain, handle);
        Assert.Equal(ConfigOperation.Explain, reply.Operation);
        return (reply.Error, reply.Reason.ToString());
    }

#pragma warning disable CA1064, CA1032, RCS1194 // only thrown here
    private sealed class Unspeakable : Exception
#pragma warning restore CA1064, CA1032, RCS1194
    {
        public override string Message => throw new NotSupportedException();

        public override string ToString() => "Unspeakable";
    }
}
