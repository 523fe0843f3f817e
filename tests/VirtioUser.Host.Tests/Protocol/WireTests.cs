// The wire's layout, byte for byte.
using System.Runtime.InteropServices;
using FsCheck.Xunit;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Protocol;

public class WireTests
{
    [Fact]
    public void Structures_have_their_lengths()
    {
        Assert.Equal(ConfigMessage.Size, Marshal.SizeOf<ConfigMessage>());
        Assert.Equal(PingMessage.Size, Marshal.SizeOf<PingMessage>());
        Assert.Equal(EventMessage.Size, Marshal.SizeOf<EventMessage>());
        Assert.Equal((512, 44, 12), (ConfigMessage.Size, PingMessage.Size, EventMessage.Size));
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
            Tag = 0x1817,
            Reason = ReasonText.From("no"),
        };
        message.SetDevice(0, new DeviceIdentity(0x21, 0x22, 0x23));
        message.SetDevice(31, new DeviceIdentity(0x31, 0x32, 0x33));
        var bytes = new byte[ConfigMessage.Size];

        message.Write(bytes);

        (int Offset, byte Value)[] expected =
        [
            (0, 6), (4, 0x11), (8, 0x21), (8 + 124, 0x31), (136, 0x22), (136 + 124, 0x32), (264, 0x23), (264 + 124, 0x33),
            (392, 0x12), (400, 0x13), (408, 0x14), (416, 0x15), (424, 0x16), (428, 5),
            (432, 0x17), (433, 0x18), (440, (byte)'n'), (441, (byte)'o'),
        ];
        Assert.Equal(expected, bytes.Index().Where(at => at.Item != 0).Select(at => (at.Index, at.Item)));
        Assert.Throws<ArgumentOutOfRangeException>(() => ConfigMessage.Read(bytes.AsSpan(1)));
    }

    [Theory]
    [InlineData("", "")]
    [InlineData(null, "")]
    [InlineData("free: 4096 bytes", "free: 4096 bytes")]
    [InlineData("one\r\ntwo\0three\u001b[2J\u007f\u0085\u2028\u202e\ufeff", "onetwothree[2J")]
    public void A_reason_says_what_was_written_but_for_characters_that_control(string? text, string shown) =>
        Assert.Equal(shown, ReasonText.From(text).ToString());

    [Theory]
    [InlineData(71, "x", 72)] // fits
    [InlineData(72, "x", 72)]
    [InlineData(70, "\u00e9", 72)] // 2 bytes
    [InlineData(71, "\u00e9", 71)]
    [InlineData(69, "\u20ac", 72)] // 3 bytes
    [InlineData(70, "\u20ac", 70)]
    [InlineData(68, "\ud83d\ude00", 72)] // 4 bytes
    [InlineData(69, "\ud83d\ude00", 69)]
    [InlineData(100_000, "x", 72)]
    public void A_reason_is_cut_between_characters_and_padded_with_zeros(int before, string character, int length)
    {
        var message = new ConfigMessage { Reason = ReasonText.From(new string('a', before) + character + "z") };
        var bytes = new byte[ConfigMessage.Size];
        message.Write(bytes);

        var field = bytes.AsSpan(440);
        Assert.Equal(72, field.Length);
        Assert.Equal(length == 72 ? -1 : length, field.IndexOf((byte)0));
        Assert.Equal(-1, field[length..].IndexOfAnyExcept((byte)0));
        Assert.DoesNotContain('\ufffd', message.Reason.ToString());
    }

    [Fact]
    public void Half_a_character_in_a_reason_is_shown_as_one_that_is_unknown() => Assert.Equal("\ufffd alone", ReasonText.From("\ud800 alone").ToString());

    [Property]
    public void Any_bytes_read_as_a_reason_that_controls_nothing(byte[] random)
    {
        var bytes = new byte[ConfigMessage.Size];
        random.AsSpan(0, Math.Min(random.Length, 72)).CopyTo(bytes.AsSpan(440));

        Assert.DoesNotContain(ConfigMessage.Read(bytes).Reason.ToString(), char.IsControl);
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

    [Fact]
    public void Answers_and_notices_have_their_bits()
    {
        Assert.Equal((0x8000_0001u, 0x8000_0002u, 0x8000_0700u), (Revents.Refused, Revents.Interrupted, Revents.FailedWith(7)));
        Assert.Equal((0xC000_0001u, 0xC000_0002u, 0xC000_0503u), (Revents.NoticeEventsLost, Revents.NoticeInstanceEnded, Revents.PingsInterrupted(5)));
        Assert.Equal(0xFFFF_FF03u, Revents.PingsInterrupted(int.MaxValue));
        Assert.Equal((Revents.NoticePingsInterrupted, 5), (Revents.KindOf(0xC000_0503u), Revents.CodeOf(0xC000_0503u)));
        Assert.Equal(10u, (uint)ConfigOperation.Explain);
    }

    [Fact]
    public void Each_field_of_the_configuration_space_stands_at_its_offset()
    {
        var space = new ConfigurationSpace { EnumerationSpaceId = 1, HostEpoch = 2, HostFlags = 3, Reserved = 4, MessagesOffset = 5, MessagesSize = 6 };

        Assert.Equal(ConfigurationSpace.Size, Marshal.SizeOf<ConfigurationSpace>());
        Assert.Equal(
            [(0, 1), (4, 2), (8, 3), (12, 4), (16, 5), (24, 6)],
            MemoryMarshal.AsBytes(new Span<ConfigurationSpace>(ref space)).ToArray().Index().Where(at => at.Item != 0).Select(at => (at.Index, (int)at.Item)));
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
    [InlineData(0xC000_0503u, false, true)]
    [InlineData(Revents.Refused, true, false)]
    [InlineData(Revents.Interrupted, true, false)]
    public void Answers_own_events_and_notices_are_told_apart(uint revents, bool answer, bool notice) =>
        Assert.Equal((answer, notice), (Revents.IsAnswer(revents), Revents.IsNotice(revents)));
}
