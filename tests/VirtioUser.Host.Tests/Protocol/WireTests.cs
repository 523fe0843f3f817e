// The wire's layout, byte for byte.
using System.Runtime.InteropServices;
using FsCheck.Xunit;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Protocol;

public class WireTests
{
    [Fact]
    public void Structures_have_the_lengths_of_the_draft()
    {
        Assert.Equal(ConfigMessage.Size, Marshal.SizeOf<ConfigMessage>());
        Assert.Equal(PingMessage.Size, Marshal.SizeOf<PingMessage>());
        Assert.Equal(EventMessage.Size, Marshal.SizeOf<EventMessage>());
        Assert.Equal((432, 44, 12), (ConfigMessage.Size, PingMessage.Size, EventMessage.Size));
    }

    [Fact]
    public void Each_field_of_a_config_message_stands_at_its_offset()
    {
        var message = new ConfigMessage
        {
            Operation = ConfigOperation.ImportMemory,
            DeviceCount = 0x11,
            InstanceHandle = 0x12,
            ShmId = 0x13,
            ShmOffset = 0x14,
            ShmSize = 0x15,
            ShmFlags = 0x16,
            Error = ConfigError.ImportFailed,
        };
        message.SetDevice(0, new DeviceIdentity(0x21, 0x22, 0x23));
        message.SetDevice(31, new DeviceIdentity(0x31, 0x32, 0x33));
        var bytes = new byte[ConfigMessage.Size];

        message.Write(bytes);

        (int Offset, byte Value)[] expected =
        [
            (0, 6), (4, 0x11), (8, 0x21), (8 + 124, 0x31), (136, 0x22), (136 + 124, 0x32), (264, 0x23), (264 + 124, 0x33),
            (392, 0x12), (400, 0x13), (408, 0x14), (416, 0x15), (424, 0x16), (428, 5),
        ];
        Assert.Equal(expected, bytes.Index().Where(at => at.Item != 0).Select(at => (at.Index, at.Item)));
        Assert.Throws<ArgumentOutOfRangeException>(() => ConfigMessage.Read(bytes.AsSpan(1)));
    }

    [Property]
    public void A_config_message_survives_the_wire(byte[] random)
    {
        var bytes = new byte[ConfigMessage.Size];
        for (var i = 0; i < bytes.Length && random.Length > 0; i++)
        {
            bytes[i] = random[i % random.Length];
        }

        var again = new byte[ConfigMessage.Size];
        ConfigMessage.Read(bytes).Write(again);

        Assert.Equal(bytes, again);
    }

    [Fact]
    public void Each_field_of_a_ping_and_of_an_event_stands_at_its_offset()
    {
        var ping = new PingMessage { InstanceHandle = 1, Metadata = 2, ShmId = 3, ShmOffset = 4, ShmSize = 5, Events = 6 };
        var sent = new EventMessage(7, 8);

        Assert.Equal(
            [(0, 1), (8, 2), (16, 3), (24, 4), (32, 5), (40, 6)],
            MemoryMarshal.AsBytes(new Span<PingMessage>(ref ping)).ToArray().Index().Where(at => at.Item != 0).Select(at => (at.Index, (int)at.Item)));
        Assert.Equal(
            [(0, 7), (8, 8)],
            MemoryMarshal.AsBytes(new Span<EventMessage>(ref sent)).ToArray().Index().Where(at => at.Item != 0).Select(at => (at.Index, (int)at.Item)));
    }

    [Property]
    public void An_identity_survives_being_written_and_read(uint vendor, uint device, uint version)
    {
        var identity = new DeviceIdentity(vendor, device, version);

        Assert.Equal(identity, DeviceIdentity.Parse(identity.ToString()));
    }

    [Theory]
    [InlineData("")]
    [InlineData("1:2")]
    [InlineData("1:2:3:4")]
    [InlineData("1:2:")]
    [InlineData("1:2:g")]
    [InlineData("1:2:-3")]
    [InlineData("1:2: 3")]
    [InlineData("1:2:100000000")]
    public void What_is_no_identity_is_refused(string text)
    {
        Assert.False(DeviceIdentity.TryParse(text, null, out _));
        Assert.Throws<FormatException>(() => DeviceIdentity.Parse(text));
    }

    [Fact]
    public void An_identity_reads_like_its_node() => Assert.Equal("5655:0001:01", new DeviceIdentity(0x5655, 1, 1).ToString());

    [Theory]
    [InlineData(0u, true, false)]
    [InlineData(Revents.Failed, true, false)]
    [InlineData(Revents.Unsolicited | 3, false, false)]
    [InlineData(Revents.NoticeEventsLost, false, true)]
    [InlineData(Revents.NoticeInstanceEnded, false, true)]
    public void Answers_own_events_and_notices_are_told_apart(uint revents, bool answer, bool notice) =>
        Assert.Equal((answer, notice), (Revents.IsAnswer(revents), Revents.IsNotice(revents)));
}
