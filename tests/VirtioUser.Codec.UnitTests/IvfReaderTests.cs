// IVF files, good and bad.
using System.Buffers.Binary;
using FsCheck.Xunit;
using VirtioUser.Codec.Play.Reading;
using VirtioUser.Codec.UnitTests.Support;

namespace VirtioUser.Codec.UnitTests;

public sealed class IvfReaderTests
{
    [Theory]
    [InlineData("VP90", VideoCodec.Vp9)]
    [InlineData("AV01", VideoCodec.Av1)]
    public void Packets_come_with_their_timestamps(string code, VideoCodec codec)
    {
        byte[] file = [.. Header(code), .. Packet(7, 1, 2, 3), .. Packet(-9, 4)];
        foreach (var most in new[] { 1, 5, 1000 })
        {
            using var reader = VideoReader.Open(new SlowStream(file, most), Packets.Maximum);
            Assert.Equal(codec, reader.Codec);
            Assert.Equal((1001u, 30000u), reader.TimeBase);
            Assert.True(reader.TryRead());
            Assert.Equal([1, 2, 3], reader.Packet.ToArray());
            Assert.Equal(7, reader.Timestamp);
            Assert.True(reader.TryRead());
            Assert.Equal([4], reader.Packet.ToArray());
            Assert.Equal(-9, reader.Timestamp);
            Assert.False(reader.TryRead());
        }
    }

    [Fact]
    public void A_file_that_ends_within_a_packet_gives_those_before_it()
    {
        byte[] file = [.. Header("VP90"), .. Packet(0, 1, 2, 3), .. Packet(1, 4, 5, 6)];
        for (var missing = 1; missing < 15; missing++)
        {
            var (packets, wrong) = Packets.Read(file[..^missing]);
            Assert.Contains("ends within", wrong, StringComparison.Ordinal);
            Assert.Equal([1, 2, 3], Assert.Single(packets));
        }
    }

    [Fact]
    public void A_bad_header_is_refused_with_what_is_wrong()
    {
        var good = Header("VP90");
        Refused("within its header", good[..31]);
        Refused("version 1", With(good, 4, 1));
        Refused("header of 33 bytes", With(good, 6, 33));
        Refused("VP80", Header("VP80"));
        Refused("0x1b5b324a", Header("\u001b[2J"));
        Refused("units of 1001/0", With(With(good, 16, 0), 17, 0));
        Refused("units of 0/30000", With(With(good, 20, 0), 21, 0));
    }

    [Fact]
    public void An_empty_packet_and_one_that_is_too_large_are_refused()
    {
        Refused("Packet 1 is empty", [.. Header("AV01"), .. Packet(0)]);
        var large = Packet(0, 1);
        BinaryPrimitives.WriteUInt32LittleEndian(large, uint.MaxValue);
        Refused("Packet 1 has 4294967295 bytes; at most 1048576", [.. Header("AV01"), .. large]);
    }

    [Property]
    public void Whatever_follows_the_header_it_ends(byte[] noise)
    {
        var (packets, wrong) = Packets.Read([.. Header("VP90"), .. noise]);
        Assert.True(wrong is not null || packets.Sum(packet => packet.Length + 12) == noise.Length);
    }

    private static void Refused(string because, byte[] file) => Assert.Contains(because, Packets.Read(file).Wrong, StringComparison.Ordinal);

    private static byte[] With(byte[] file, int at, byte value)
    {
        byte[] changed = [.. file];
        changed[at] = value;
        return changed;
    }

    private static byte[] Header(string code)
    {
        var header = new byte[32];
        "DKIF"u8.CopyTo(header);
        header[6] = 32;
        for (var i = 0; i < code.Length; i++)
            header[8 + i] = (byte)code[i];
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(16), 30000);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(20), 1001);
        return header;
    }

    private static byte[] Packet(long timestamp, params byte[] bytes)
    {
        var packet = new byte[12 + bytes.Length];
        BinaryPrimitives.WriteInt32LittleEndian(packet, bytes.Length);
        BinaryPrimitives.WriteInt64LittleEndian(packet.AsSpan(4), timestamp);
        bytes.CopyTo(packet, 12);
        return packet;
    }
}
