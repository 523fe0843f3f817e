// Config messages that are not of their form.
using FsCheck.Xunit;
using VirtioUser.Host.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Config;

public class BadRequestTests
{
    [Theory]
    [InlineData(7u)]
    [InlineData(0xFFFF_FFFFu)]
    public void An_unknown_operation_is_repeated_and_refused(uint operation)
    {
        using var host = new TestHost(new ScriptedDevice((in _) => 0));

        var reply = host.Config((ConfigOperation)operation);

        Assert.Equal(ConfigError.BadRequest, reply.Error);
        Assert.Equal(operation, (uint)reply.Operation);
        Assert.Equal(1, host[Counter.MessagesRejected]);
        Assert.Equal(1, host[Counter.ConfigErrors]);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(432)]
    [InlineData(439)]
    [InlineData(440)]
    [InlineData(511)]
    [InlineData(513)]
    [InlineData(100_000)]
    public void A_message_of_another_length_is_refused(int length)
    {
        using var host = new TestHost(new ScriptedDevice((in _) => 0));
        var bytes = new byte[length];
        bytes.AsSpan(0, Math.Min(4, length)).Fill(1);
        bytes.AsSpan(Math.Min(432, length)).Fill(2);

        var reply = host.Model.HandleConfig(bytes);

        Assert.Equal(ConfigError.BadRequest, reply.Error);
        Assert.Equal(length < 4 ? 0u : 0x0101_0101u, (uint)reply.Operation);
        Assert.Equal(length < 440 ? 0u : 0x0202_0202_0202_0202u, reply.Tag);
        Assert.Equal($"the message has {length} bytes, not 512", reply.Reason.ToString());
    }

    [Property]
    public void Every_reply_repeats_the_tag(byte operation, ulong tag)
    {
        using var host = new TestHost(new ScriptedDevice((in _) => 0));

        var reply = host.Config(new ConfigMessage { Operation = (ConfigOperation)(operation % 9), FirstDevice = ScriptedDevice.Default, Tag = tag });

        Assert.Equal(tag, reply.Tag);
    }

    [Fact]
    public void What_went_well_has_no_reason()
    {
        using var host = new TestHost(new ScriptedDevice((in _) => 0));

        Assert.Equal("", host.TryOpen(ScriptedDevice.Default).Reason.ToString());
    }

    [Fact]
    public void A_host_that_gives_no_reasons_gives_none()
    {
        using var host = new TestHost(new ScriptedDevice(_ => throw new FormatException("secret")), new HostOptions { GivesReasons = false });

        Assert.Equal("", host.Config((ConfigOperation)99).Reason.ToString());
        Assert.Equal("", host.TryOpen(ScriptedDevice.Default).Reason.ToString());
        Assert.Contains(host.Log.Lines, line => line.Contains("secret", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(ConfigOperation.EnumerateDevices)]
    [InlineData(ConfigOperation.CreateInstance)]
    [InlineData(ConfigOperation.AllocateMemory)]
    public void Reserved_flags_that_are_not_zero_are_refused(ConfigOperation operation)
    {
        using var host = new TestHost(new ScriptedDevice((in _) => 0));

        var reply = host.Config(new ConfigMessage { Operation = operation, FirstDevice = ScriptedDevice.Default, ShmFlags = 1 });

        Assert.Equal(ConfigError.BadRequest, reply.Error);
        Assert.Equal(0, host[Counter.InstancesCreated]);
    }

    [Property(MaxTest = 300)]
    public void Random_bytes_get_a_reply_and_leave_the_host_well(byte operation, byte[] bytes)
    {
        using var host = new TestHost(new ScriptedDevice((in _) => 0));
        var handle = host.Open();
        var message = new byte[ConfigMessage.Size];
        for (var i = 4; i < message.Length && bytes.Length > 0; i++)
        {
            message[i] = bytes[i % bytes.Length];
        }

        message[0] = (byte)(operation % 9);
        host.Model.HandleConfig(message);
        host.Model.HandleConfig(bytes);

        host.Ping(handle, events: 1);
        Assert.Equal([0u], host.Events.WaitFor(handle, 1));
    }

    [Fact]
    public void Lines_that_a_guest_can_cause_are_bounded()
    {
        using var host = new TestHost(new ScriptedDevice((in _) => 0));

        for (var i = 0; i < 10_000; i++)
        {
            host.Config((ConfigOperation)99);
        }

        Assert.Equal(10_000, host[Counter.ConfigErrors]);
        Assert.InRange(host.Log.Lines.Count, 1, 1000);
        Assert.Contains(host.Log.Lines, line => line.Contains("there is no such operation", StringComparison.Ordinal));
    }
}
