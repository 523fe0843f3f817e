// The twelve bytes before every message.
using System.Runtime.InteropServices;

namespace Virtio.VhostUser.Messages;

/// <summary>A message header: <c>u32 request, u32 flags, u32 size</c>, in the byte order of the machine.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct MessageHeader(uint Request, MessageFlags Flags, uint PayloadSize)
{
    internal const int Size = 12;

    /// <summary>More than the largest message that this library understands.</summary>
    internal const int MaximumPayload = 4096;

    internal bool IsReply => (Flags & MessageFlags.Reply) != 0;

    internal bool NeedsReply => (Flags & MessageFlags.NeedReply) != 0;

    /// <summary>Reads a header.</summary>
    /// <exception cref="VhostUserException">The version is not 1, or the payload is larger than any can be.</exception>
    internal static MessageHeader Read(ReadOnlySpan<byte> bytes)
    {
        var header = MemoryMarshal.Read<MessageHeader>(bytes);
        if ((header.Flags & MessageFlags.VersionMask) != MessageFlags.Version1)
        {
            throw new VhostUserException($"Message {header.Request} has version {(uint)(header.Flags & MessageFlags.VersionMask)}; only 1 exists.");
        }

        if (header.PayloadSize > MaximumPayload)
        {
            throw new VhostUserException($"Message {header.Request} has a payload of {header.PayloadSize} bytes; at most {MaximumPayload} are possible.");
        }

        return header;
    }
}

/// <summary>The flags of a header.</summary>
[Flags]
internal enum MessageFlags : uint
{
    None = 0,
    Version1 = 1,
    VersionMask = 3,
    Reply = 4,
    NeedReply = 8,
}
