using System.Buffers.Binary;

namespace VirtioUser.Vm;

/// <summary>
/// Takes the compressed kernel out of a stock kernel's boot image. QEMU starts the unpacked kernel directly, which
/// spares a guest without KVM the seconds that unpacking itself would take. The kernel is the same.
/// </summary>
internal static class KernelImage
{
    // The boot image's header: Documentation/arch/x86/boot.rst of the kernel's source.
    private const int SetupSectors = 0x1F1, Magic = 0x202, ProtocolVersion = 0x206, PayloadOffset = 0x248, PayloadLength = 0x24C;
    private const int HeaderEnd = 0x250, SectorSize = 512, FirstProtocolWithPayload = 0x0208;

    /// <summary>Returns the compressed kernel and the program that unpacks it, with its arguments; null for an image that is none of Debian's kinds.</summary>
    public static (byte[] Payload, string[] Unpack)? Read(string path)
    {
        var image = File.ReadAllBytes(path);
        if (image.Length < HeaderEnd || !image.AsSpan(Magic, 4).SequenceEqual("HdrS"u8)
            || BinaryPrimitives.ReadUInt16LittleEndian(image.AsSpan(ProtocolVersion)) < FirstProtocolWithPayload)
        {
            return null;
        }

        var offset = (image[SetupSectors] + 1L) * SectorSize + BinaryPrimitives.ReadUInt32LittleEndian(image.AsSpan(PayloadOffset));
        long length = BinaryPrimitives.ReadUInt32LittleEndian(image.AsSpan(PayloadLength));
        if (offset + length > image.Length)
        {
            return null;
        }

        // The kernel's build puts the unpacked size, four bytes, behind the compressed stream.
        var payload = image[(int)offset..(int)(offset + length)];
        return payload.AsSpan() switch
        {
            [0xFD, (byte)'7', (byte)'z', ..] => (payload, ["xz", "--decompress", "--stdout", "--single-stream"]),
            [0x28, 0xB5, 0x2F, 0xFD, ..] => (payload[..^4], ["zstd", "--decompress", "--stdout"]),
            _ => null,
        };
    }
}
