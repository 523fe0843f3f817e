// NAL units of H.264.
namespace VirtioUser.Codec.Tests.Corpus.Bits;

/// <summary>Takes an Annex B byte stream apart and puts it together (ITU-T H.264, 7.3.1 and B.1). A unit is its bytes without a start code.</summary>
internal static class Nal
{
    public const int Slice = 1, IdrSlice = 5, Sei = 6, Sequence = 7, Picture = 8, Delimiter = 9, EndOfSequence = 10, EndOfStream = 11, Filler = 12;

    private static ReadOnlySpan<byte> StartCode => [0, 0, 1];

    public static int Type(byte[] unit) => unit[0] & 31;

    public static bool IsSlice(byte[] unit) => Type(unit) is Slice or IdrSlice;

    /// <summary>Whether it is a slice that begins a picture: first_mb_in_slice is 0.</summary>
    public static bool IsFirstSlice(byte[] unit) => IsSlice(unit) && (unit[1] & 0x80) != 0;

    /// <summary>Whether other pictures may refer to it: nal_ref_idc is not 0.</summary>
    public static bool IsReference(byte[] unit) => (unit[0] & 0x60) != 0;

    /// <summary>A unit of any type. Its payload must have no start code within.</summary>
    public static byte[] Make(int type, int length, byte fill = 0xff, int reference = 0) =>
        [(byte)((reference << 5) | type), .. Enumerable.Repeat(fill, length)];

    public static byte[] Make(int type, BitWriter payload, int reference = 3) => [(byte)((reference << 5) | type), .. Escape(payload.ToArray())];

    public static List<byte[]> Split(byte[] stream)
    {
        List<byte[]> units = [];
        var start = Next(stream, 0);
        while (start < stream.Length)
        {
            var next = Next(stream, start + 3);
            var unit = stream.AsSpan((start + 3)..next).TrimEnd((byte)0);
            if (!unit.IsEmpty)
            {
                units.Add(unit.ToArray());
            }

            start = next;
        }

        return units;
    }

    public static byte[] Join(IEnumerable<byte[]> units, int startCode = 4) =>
        [.. units.SelectMany(unit => new byte[startCode - 1].Append((byte)1).Concat(unit))];

    /// <summary>The units picture by picture (field by field): each group ends with its slices, and begins with what comes before them.</summary>
    public static List<List<byte[]>> Pictures(IEnumerable<byte[]> units)
    {
        List<List<byte[]>> pictures = [[]];
        foreach (var unit in units)
        {
            if (pictures[^1].Any(IsSlice) && (!IsSlice(unit) || IsFirstSlice(unit)))
            {
                pictures.Add([]);
            }

            pictures[^1].Add(unit);
        }

        return pictures;
    }

    /// <summary>Without the bytes that keep start codes out (7.4.1.1).</summary>
    public static byte[] Unescape(ReadOnlySpan<byte> bytes)
    {
        List<byte> plain = [];
        var zeros = 0;
        foreach (var value in bytes)
        {
            if (zeros >= 2 && value == 3)
            {
                zeros = 0;
                continue;
            }

            plain.Add(value);
            zeros = value == 0 ? zeros + 1 : 0;
        }

        return [.. plain];
    }

    public static byte[] Escape(ReadOnlySpan<byte> bytes)
    {
        List<byte> escaped = [];
        var zeros = 0;
        foreach (var value in bytes)
        {
            if (zeros >= 2 && value <= 3)
            {
                escaped.Add(3);
                zeros = 0;
            }

            escaped.Add(value);
            zeros = value == 0 ? zeros + 1 : 0;
        }

        return [.. escaped];
    }

    private static int Next(ReadOnlySpan<byte> stream, int from)
    {
        var found = from <= stream.Length ? stream[from..].IndexOf(StartCode) : -1;
        return found < 0 ? stream.Length : from + found;
    }
}
