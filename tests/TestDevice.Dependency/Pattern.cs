// Bytes that can be made and checked on both sides without carrying them there.
using System.Runtime.InteropServices;

namespace TestDevice.Dependency;

/// <summary>A pattern that depends on a seed and on every position, and a checksum that depends on every byte.</summary>
public static class Pattern
{
    private const ulong Step = 0x9E37_79B9_7F4A_7C15;

    /// <summary>Fills memory; a length that is no multiple of 8 leaves its last bytes alone.</summary>
    public static void Fill(Span<byte> bytes, ulong seed)
    {
        foreach (ref var word in MemoryMarshal.Cast<byte, ulong>(bytes))
        {
            word = seed += Step;
        }
    }

    /// <summary>Sums memory up; a length that is no multiple of 8 leaves its last bytes out.</summary>
    /// <returns>30 bits, the part of <c>revents</c> that belongs to a device.</returns>
    public static uint Checksum(ReadOnlySpan<byte> bytes)
    {
        var sum = 0xCBF2_9CE4_8422_2325;
        foreach (var word in MemoryMarshal.Cast<byte, ulong>(bytes))
        {
            sum = (ulong.RotateLeft(sum, 5) ^ word) * 0x100_0000_01B3;
        }

        return (uint)(sum ^ (sum >> 32)) & 0x3FFF_FFFF;
    }
}
