// What is mapped in this process, as the kernel tells it.
using System.Globalization;

namespace Virtio.Linux;

/// <summary>One line of <c>/proc/self/maps</c>.</summary>
/// <param name="Start">The first address.</param>
/// <param name="End">The address behind the last one.</param>
/// <param name="Access">Four letters: <c>r</c>, <c>w</c>, <c>x</c> or <c>-</c>; <c>s</c> shared or <c>p</c> private.</param>
/// <param name="Offset">Where the mapping begins in its file, in bytes.</param>
/// <param name="File">The file, by the device and the number that the kernel shows; all 0 = no file.</param>
/// <param name="Name">The file, or what the kernel calls the memory in brackets, or nothing.</param>
internal readonly record struct ProcessMapping(ulong Start, ulong End, string Access, ulong Offset, FileIdentity File, string Name)
{
    /// <summary>Whether writes are seen by others that map the same file.</summary>
    public bool IsShared => Access[3] == 's';

    /// <summary>The mappings that lie in a range, in order. Gaps show as gaps.</summary>
    public static List<ProcessMapping> Within(ulong start, ulong end)
    {
        List<ProcessMapping> found = [];
        foreach (var line in System.IO.File.ReadLines("/proc/self/maps"))
        {
            var mapping = Parse(line);
            if (mapping.Start >= end)
            {
                break;
            }

            if (mapping.End > start)
            {
                found.Add(mapping);
            }
        }
        return found;
    }

    // 7f0000000000-7f0000001000 rw-p 00000000 00:01 2049                       /memfd:name (deleted)
    private static ProcessMapping Parse(string line)
    {
        var words = line.Split(' ', 6, StringSplitOptions.RemoveEmptyEntries);
        var dash = words[0].IndexOf('-', StringComparison.Ordinal);
        var colon = words[3].IndexOf(':', StringComparison.Ordinal);
        var device = Hexadecimal(words[3].AsSpan(0, colon)) << 32 | Hexadecimal(words[3].AsSpan(colon + 1));
        return new ProcessMapping(
            Hexadecimal(words[0].AsSpan(0, dash)), Hexadecimal(words[0].AsSpan(dash + 1)), words[1], Hexadecimal(words[2]),
            new FileIdentity(device, ulong.Parse(words[4], CultureInfo.InvariantCulture)), words.Length > 5 ? words[5].Trim() : "");
    }

    private static ulong Hexadecimal(ReadOnlySpan<char> digits) => ulong.Parse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}
