// Reads a whole file.
using VirtioUser.Codec.Play.Reading;

namespace VirtioUser.Codec.UnitTests.Support;

/// <summary>The packets of a file.</summary>
internal static class Packets
{
    public const int Maximum = 1 << 20;

    /// <summary>Reads all packets, and adds what was wrong, if anything was.</summary>
    public static (List<byte[]> Packets, string? Wrong) Read(byte[] file, int most = int.MaxValue, int maximum = Maximum)
    {
        List<byte[]> packets = [];
        try
        {
            using var reader = VideoReader.Open(new SlowStream(file, most), maximum);
            while (reader.TryRead())
                packets.Add(reader.Packet.ToArray());
            Assert.False(reader.TryRead());
            return (packets, null);
        }
        catch (VideoFileException e)
        {
            return (packets, e.Message);
        }
    }
}
