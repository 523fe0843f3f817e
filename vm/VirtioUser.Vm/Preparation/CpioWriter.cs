using System.Globalization;
using System.Text;

namespace VirtioUser.Vm;

/// <summary>
/// Writes the archive that the kernel unpacks as its first file system: cpio, format "newc"
/// (Documentation/driver-api/early-userspace/buffer-format.rst of the kernel's source).
/// </summary>
internal sealed class CpioWriter(Stream output)
{
    private const uint Folder = 0x4000, RegularFile = 0x8000, CharacterDevice = 0x2000, SymbolicLink = 0xA000;

    private uint _inode;
    private long _written;

    public void AddFolder(string path) => Add(path, Folder | 0x1ED, []);

    public void AddFile(string path, ReadOnlySpan<byte> content, bool executable = false) =>
        Add(path, RegularFile | (executable ? 0x1EDu : 0x1A4u), content);

    public void AddLink(string path, string target) => Add(path, SymbolicLink | 0x1FF, Encoding.UTF8.GetBytes(target));

    public void AddCharacterDevice(string path, uint major, uint minor) => Add(path, CharacterDevice | 0x180, [], major, minor);

    /// <summary>Ends the archive; the stream stays open.</summary>
    public void Finish() => Add("TRAILER!!!", 0, []);

    private void Add(string path, uint mode, ReadOnlySpan<byte> content, uint deviceMajor = 0, uint deviceMinor = 0)
    {
        _inode++;
        byte[] name = [.. Encoding.UTF8.GetBytes(path), 0];
        ReadOnlySpan<uint> fields =
        [
            _inode, mode, 0 /* uid */, 0 /* gid */, 1 /* links */, 0 /* mtime */, (uint)content.Length,
            0, 0 /* device it lies on */, deviceMajor, deviceMinor, (uint)name.Length, 0 /* checksum, unused */,
        ];
        StringBuilder header = new("070701");
        foreach (var field in fields)
        {
            header.Append(field.ToString("X8", CultureInfo.InvariantCulture));
        }

        Write(Encoding.ASCII.GetBytes(header.ToString()));
        Write(name);
        Pad();
        Write(content);
        Pad();
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        output.Write(bytes);
        _written += bytes.Length;
    }

    // Headers and contents begin at multiples of four.
    private void Pad()
    {
        ReadOnlySpan<byte> zeros = [0, 0, 0];
        Write(zeros[..(int)(-_written & 3)]);
    }
}
