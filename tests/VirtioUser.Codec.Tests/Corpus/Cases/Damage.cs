// Bits that change on the way.
using VirtioUser.Codec.Tests.Corpus.Bits;

namespace VirtioUser.Codec.Tests.Corpus.Cases;

/// <summary>Flips a few bits, the same each time.</summary>
internal static class Damage
{
    private const int Flips = 5;

    /// <summary>In packets, not in their headers and not in the first one.</summary>
    public static IvfFile Flip(IvfFile ivf, int seed)
    {
        Numbers numbers = new(seed);
        List<byte[]> packets = [.. ivf.Packets.Select(packet => (byte[])[.. packet.Data])];
        for (var flip = 0; flip < Flips; flip++)
        {
            FlipOne(packets[1 + numbers.Next(packets.Count - 1)], numbers, from: 0);
        }

        return ivf.WithPackets((packet, i) => [packet with { Data = packets[i] }]);
    }

    /// <summary>In slices, not in what tells their kind.</summary>
    public static IEnumerable<byte[]> Flip(IEnumerable<byte[]> units, int seed)
    {
        Numbers numbers = new(seed);
        List<byte[]> changed = [.. units.Select(unit => (byte[])[.. unit])];
        var slices = changed.Where(unit => Nal.IsSlice(unit) && unit.Length > 4).ToList();
        for (var flip = 0; flip < Flips; flip++)
        {
            FlipOne(slices[numbers.Next(slices.Count)], numbers, from: 1);
        }

        return changed;
    }

    private static void FlipOne(byte[] bytes, Numbers numbers, int from) => bytes[from + numbers.Next(bytes.Length - from)] ^= (byte)(1 << numbers.Next(8));

    // Not of .NET's Random, whose numbers may become others.
    private sealed class Numbers(int seed)
    {
        private uint _state = (uint)seed * 2654435769;

        public int Next(int below)
        {
            _state = (_state * 1664525) + 1013904223;
            return (int)((_state >> 8) % (uint)below);
        }
    }
}
