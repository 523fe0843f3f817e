// IVF files.
using System.Buffers.Binary;

namespace VirtioUser.Codec.Tests.Corpus.Bits;

/// <summary>An IVF file that can be changed in any way: a header of 32 bytes, and packets behind headers of 12 bytes.</summary>
internal sealed record IvfFile(byte[] Header, IReadOnlyList<IvfFile.Packet> Packets)
{
    private const int HeaderLength = 32, PacketHeaderLength = 12;

    public static IvfFile Read(byte[] file)
    {
        List<Packet> packets = [];
        for (var at = HeaderLength; at < file.Length;)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(at));
            var data = at + PacketHeaderLength;
            packets.Add(new(BinaryPrimitives.ReadInt64LittleEndian(file.AsSpan(at + 4)), file[data..(data + length)]));
            at = data + length;
        }

        return new(file[..HeaderLength], packets);
    }

    public byte[] ToArray() =>
    [
        .. Header,
        .. Packets.SelectMany(packet =>
        {
            var bytes = new byte[PacketHeaderLength + packet.Data.Length];
            BinaryPrimitives.WriteUInt32LittleEndian(bytes, packet.Length ?? (uint)packet.Data.Length);
            BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(4), packet.Timestamp);
            packet.Data.CopyTo(bytes, PacketHeaderLength);
            return bytes;
        }),
    ];

    /// <summary>Another 32-bit number in the header.</summary>
    public IvfFile With(int offset, uint value)
    {
        byte[] header = [.. Header];
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(offset), value);
        return this with { Header = header };
    }

    /// <summary>Another unit of timestamps: what the header holds is its denominator, then its numerator.</summary>
    public IvfFile WithTimeBase(uint numerator, uint denominator) => With(16, denominator).With(20, numerator);

    public IvfFile WithPackets(Func<Packet, int, IEnumerable<Packet>> change) => this with { Packets = [.. Packets.SelectMany(change)] };

    public IvfFile WithTimestamps(Func<int, long> timestamp) => this with { Packets = [.. Packets.Select((packet, number) => packet with { Timestamp = timestamp(number) })] };

    public IvfFile WithPacket(int number, Func<byte[], byte[]> change) =>
        WithPackets((packet, i) => [i == number ? packet with { Data = change(packet.Data) } : packet]);

    public IvfFile Without(params int[] numbers) => WithPackets((packet, i) => numbers.Contains(i) ? [] : [packet]);

    /// <summary>A packet.</summary>
    /// <param name="Timestamp">In the header's unit.</param>
    /// <param name="Data">What it is made of.</param>
    /// <param name="Length">The length that its header says, if that is another.</param>
    internal sealed record Packet(long Timestamp, byte[] Data, uint? Length = null);
}
