// Which part of the configuration space.
using System.Runtime.InteropServices;

namespace Virtio.VhostUser.Messages;

/// <summary><c>u32 offset, u32 size, u32 flags</c>, followed by the bytes.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct ConfigurationHeader(uint Offset, uint Length, uint Flags)
{
    internal const int Size = 12;

    /// <summary>The most bytes that a configuration space has here.</summary>
    internal const int MaximumLength = 256;

    /// <summary>Reads and checks a header and that its bytes are there.</summary>
    /// <exception cref="VhostUserException">Something is wrong; the message says what.</exception>
    internal static ConfigurationHeader Read(ReadOnlySpan<byte> payload, string request)
    {
        if (payload.Length < Size)
        {
            throw new VhostUserException($"{request} has {payload.Length} bytes, not even its header.");
        }

        var header = MemoryMarshal.Read<ConfigurationHeader>(payload);
        if (header.Length > MaximumLength || header.Offset > MaximumLength - header.Length)
        {
            throw new VhostUserException($"{request} names {header.Length} bytes at {header.Offset}; there are at most {MaximumLength}.");
        }

        if (payload.Length != Size + header.Length)
        {
            throw new VhostUserException($"{request} names {header.Length} bytes and carries {payload.Length - Size}.");
        }

        return header;
    }
}
