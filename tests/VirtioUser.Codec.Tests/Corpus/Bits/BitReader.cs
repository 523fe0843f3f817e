// Bits out of bytes.
using System.Numerics;

namespace VirtioUser.Codec.Tests.Corpus.Bits;

/// <summary>Reads bits from the highest of each byte on, and the Exp-Golomb numbers of H.264 (ITU-T H.264, 9.1). Fails at the end of the bytes.</summary>
/// <param name="bytes">The bytes.</param>
internal sealed class BitReader(ReadOnlyMemory<byte> bytes)
{
    public int Position { get; private set; }

    public int Left => (bytes.Length * 8) - Position;

    public bool Flag() => Read(1) != 0;

    public uint Read(int count)
    {
        var value = 0u;
        for (; count > 0; count--, Position++)
        {
            value = (value << 1) | (uint)((bytes.Span[Position / 8] >> (7 - (Position % 8))) & 1);
        }

        return value;
    }

    /// <summary>ue(v).</summary>
    public uint Number()
    {
        var zeros = 0;
        while (!Flag())
        {
            zeros++;
        }

        return (1u << zeros) - 1 + Read(zeros);
    }

    /// <summary>The position of the bit that ends the payload of a NAL unit (rbsp_stop_one_bit).</summary>
    public int FindStop()
    {
        var last = bytes.Span.LastIndexOfAnyExcept((byte)0);
        return (last * 8) + 7 - BitOperations.TrailingZeroCount(bytes.Span[last]);
    }
}
