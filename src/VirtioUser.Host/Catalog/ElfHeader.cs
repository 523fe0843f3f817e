// The first bytes of an ELF file: what it is and which machine it is for.
using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace VirtioUser.Host.Catalog;

/// <summary>Looks at shared libraries before they are loaded, to say what is wrong with them in plain words.</summary>
internal static class ElfHeader
{
    private const int Length = 20; // up to and with e_machine
    private const byte LittleEndian = 1;
    private const ushort SharedObject = 3; // ET_DYN

    private static readonly Dictionary<ushort, string> Machines = new()
    {
        [3] = "x86",
        [21] = "ppc64le",
        [22] = "s390x",
        [40] = "arm",
        [62] = "x64",
        [183] = "arm64",
        [243] = "riscv64",
        [258] = "loongarch64",
    };

    /// <summary>Whether a file begins as ELF files do.</summary>
    public static bool IsElf(string path) => Read(path) is [0x7F, (byte)'E', (byte)'L', (byte)'F', ..];

    /// <summary>What keeps a file from being a shared library for this process.</summary>
    /// <returns>The rest of a sentence that begins with the file's name, or null.</returns>
    public static string? Fault(string path)
    {
        var header = Read(path);
        if (header is not [0x7F, (byte)'E', (byte)'L', (byte)'F', ..])
        {
            return "is not an ELF file";
        }

        if (header.Length < Length)
        {
            return "is cut off";
        }

        var order = header[5] == LittleEndian ? "little-endian" : "big-endian";
        var machine = Number(header, 18);
        var name = Machines.GetValueOrDefault(machine, $"machine {machine}");
        var bits = header[4] == 1 ? 32 : 64;
        var here = RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant();
        if (bits != nint.Size * 8 || (header[5] == LittleEndian) != BitConverter.IsLittleEndian || (Machines.ContainsValue(here) && name != here))
        {
            return $"is for another machine: {bits}-bit {order} {name}, and this is {nint.Size * 8}-bit {here}";
        }

        return Number(header, 16) == SharedObject ? null : "is an ELF file, but no shared library";
    }

    private static ushort Number(byte[] header, int at) => header[5] == LittleEndian
        ? BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(at))
        : BinaryPrimitives.ReadUInt16BigEndian(header.AsSpan(at));

    private static byte[] Read(string path)
    {
        using var file = File.OpenRead(path);
        var header = new byte[Length];
        return header[..file.ReadAtLeast(header, Length, throwOnEndOfStream: false)];
    }
}
