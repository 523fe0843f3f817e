// Why the host refused, for a person: the last bytes of a config reply.
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace VirtioUser.Protocol;

/// <summary>
/// 72 bytes of UTF-8, padded with zeros. For a person to read: nobody parses it, and it decides nothing. Characters that control a
/// terminal or the direction of writing are left out, by who writes it and again by who reads it.
/// </summary>
[InlineArray(Length)]
public struct ReasonText
{
    /// <summary>The field's length in bytes.</summary>
    public const int Length = 72;

    private byte _first;

    /// <summary>Makes the field.</summary>
    /// <param name="text">What to say; what does not fit is cut off between two characters. Null is the same as empty.</param>
    public static ReasonText From(string? text)
    {
        var reason = default(ReasonText);
        Span<byte> left = reason;
        foreach (var rune in (text ?? "").EnumerateRunes())
        {
            if (IsShown(rune))
            {
                if (rune.Utf8SequenceLength > left.Length)
                {
                    break;
                }

                left = left[rune.EncodeToUtf8(left)..];
            }
        }

        return reason;
    }

    /// <summary>What it says, whatever bytes the other side has put there. Empty if it says nothing.</summary>
    public override readonly string ToString()
    {
        var bytes = MemoryMarshal.CreateReadOnlySpan(in _first, Length);
        var end = bytes.IndexOf((byte)0);
        var text = new StringBuilder(Length);
        foreach (var rune in Encoding.UTF8.GetString(end < 0 ? bytes : bytes[..end]).EnumerateRunes())
        {
            if (IsShown(rune))
            {
                text.Append(rune.ToString());
            }
        }

        return text.ToString();
    }

    private static bool IsShown(Rune rune) => Rune.GetUnicodeCategory(rune) is not
        (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);
}
