// Reads every byte of a message as fast as memory can be read; both ends of every transport compute it.
using System.Numerics;
using System.Runtime.InteropServices;

namespace VirtioUser.Benchmarks;

/// <summary>A sum over all bytes, taken as 64-bit numbers, in as many bits as a device may answer with.</summary>
internal static class Checksum
{
    private const uint Mask = 0x3FFF_FFFF;

    /// <summary>The checksum of a whole message.</summary>
    /// <param name="bytes">The message.</param>
    public static uint Of(ReadOnlySpan<byte> bytes) => Fold(Add(0, bytes));

    /// <summary>Adds a part of a message; all parts but the last one must be multiples of 8 bytes long.</summary>
    /// <param name="sum">The sum of what came before, 0 at first.</param>
    /// <param name="bytes">The part.</param>
    public static ulong Add(ulong sum, ReadOnlySpan<byte> bytes)
    {
        var vectors = MemoryMarshal.Cast<byte, Vector<ulong>>(bytes);
        Vector<ulong> first = Vector<ulong>.Zero, second = first, third = first, fourth = first;
        var i = 0;
        for (; i + 4 <= vectors.Length; i += 4)
        {
            first += vectors[i];
            second += vectors[i + 1];
            third += vectors[i + 2];
            fourth += vectors[i + 3];
        }

        for (; i < vectors.Length; i++)
        {
            first += vectors[i];
        }

        sum += Vector.Sum(first + second + third + fourth);
        var rest = bytes[(vectors.Length * Vector<byte>.Count)..];
        foreach (var number in MemoryMarshal.Cast<byte, ulong>(rest))
        {
            sum += number;
        }

        for (var j = rest.Length & ~7; j < rest.Length; j++)
        {
            sum += (ulong)rest[j] << (8 * (j & 7));
        }

        return sum;
    }

    /// <summary>The checksum that a sum stands for.</summary>
    /// <param name="sum">The sum of all parts.</param>
    public static uint Fold(ulong sum) => (uint)(sum ^ (sum >> 30) ^ (sum >> 60)) & Mask;
}
