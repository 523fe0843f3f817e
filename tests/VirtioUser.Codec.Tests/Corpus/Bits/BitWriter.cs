// Bits into bytes.
using System.Numerics;

namespace VirtioUser.Codec.Tests.Corpus.Bits;

/// <summary>Writes bits from the highest of each byte on, and the Exp-Golomb numbers of H.264 (ITU-T H.264, 9.1).</summary>
internal sealed class BitWriter
{
    private readonly List<byte> _bytes = [];
    private int _free; // in the last byte

    public BitWriter Bits(uint value, int count)
    {
        for (var bit = count - 1; bit >= 0; bit--)
        {
            Flag(((value >> bit) & 1) != 0);
        }

        return this;
    }

    public BitWriter Flag(bool value)
    {
        if (_free == 0)
        {
            _bytes.Add(0);
            _free = 8;
        }

        _free--;
        if (value)
        {
            _bytes[^1] |= (byte)(1 << _free);
        }

        return this;
    }

    /// <summary>ue(v).</summary>
    public BitWriter Number(uint value)
    {
        var length = BitOperations.Log2(value + 1);
        return Bits(0, length).Bits(value + 1, length + 1);
    }

    /// <summary>se(v).</summary>
    public BitWriter Signed(int value) => Number(value > 0 ? (uint)((2 * value) - 1) : (uint)(-2 * value));

    /// <summary>As they are, from another place.</summary>
    public BitWriter Copy(BitReader source, int count)
    {
        for (; count > 0; count--)
        {
            Flag(source.Flag());
        }

        return this;
    }

    /// <summary>Zeros up to a whole byte.</summary>
    public BitWriter Align()
    {
        _free = 0;
        return this;
    }

    public BitWriter Bytes(ReadOnlySpan<byte> bytes)
    {
        Align();
        _bytes.AddRange(bytes);
        return this;
    }

    /// <summary>The bit that ends a payload, and zeros up to a whole byte (rbsp_trailing_bits).</summary>
    public BitWriter Stop() => Flag(true).Align();

    public byte[] ToArray() => [.. _bytes];
}
