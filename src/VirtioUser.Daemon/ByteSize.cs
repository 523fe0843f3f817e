// Sizes as people write them.
using System.Globalization;

namespace VirtioUser.Daemon;

/// <summary>A number of bytes with an optional suffix K, M, G or T (powers of 1024).</summary>
internal static class ByteSize
{
    /// <summary>1024 to the third.</summary>
    public const ulong GiB = 1UL << 30;

    /// <summary>1024 to the fourth.</summary>
    public const ulong TiB = 1UL << 40;

    /// <summary>Reads a size.</summary>
    /// <returns>False where the text is not a size, or more than 2^63 bytes.</returns>
    public static bool TryParse(string text, out ulong bytes)
    {
        bytes = 0;
        var shift = text.Length == 0 ? -1 : char.ToUpperInvariant(text[^1]) switch
        {
            'K' => 10,
            'M' => 20,
            'G' => 30,
            'T' => 40,
            _ => 0,
        };
        var digits = shift > 0 ? text[..^1] : text;
        if (!ulong.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number > (ulong)long.MaxValue >> shift)
        {
            return false;
        }

        bytes = number << shift;
        return true;
    }
}
